import { now, type Exchange, type Outcome } from './record.ts'
import type { RefreshToken } from './tokens.ts'
import type { World } from './world.ts'

/** What is judged. The names are those of the table in docs/clients.md. */
export type Check =
  | 'sign-out nobody asked for'
  | '401 that could be mended'
  | 'more than two sends'
  | 'rotation'
  | 'told of the end'
  | 'token to another origin'
  | 'hangs'
  | 'failed without a cause'
  | 'body changed'

export interface Fault {
  check: Check
  tab: string
  at: number
  text: string
}

/** What a client lost: what its users would have seen, and what it cost. */
export interface Losses {
  calls: number
  signOuts: number
  shown401: number
  failed: number
  hung: number
  sentTwice: number
  refreshes: number
  reused: number
}

/** How long after trouble calls may still fail of it, in milliseconds: a client that backs off is not at fault. */
const aftermath = 12_000

/** A machine that stalls for this long excuses what a tab does meanwhile, in milliseconds. */
const stall = 1000

const within = (at: number, spans: readonly { from: number; to: number }[], after = 0) =>
  spans.some(({ from, to }) => at >= from && at <= to + after)

const overlaps = (
  outcome: Outcome,
  spans: readonly { from: number; to: number; tab?: string }[],
  after = 0,
) =>
  spans.some(
    ({ from, to, tab }) => (!tab || tab === outcome.tab) && outcome.to >= from && outcome.from <= to + after,
  )

/** A call that told its caller that nobody is signed in. */
const denied = ({ status, error, path }: Outcome) =>
  path !== '/api/forbidden' && (status === 401 || error?.status === 401 || error?.status === 403)

const nameOf = ({ session, generation, nonce }: RefreshToken) => `${session}.${generation}.${nonce}`

const fulfilled = ({ fate, ending }: Exchange) => ending === 'answered' && !fate.lost && !fate.refused

/** Judges a world that has come to rest. */
export function judge(world: World): Fault[] {
  const faults: Fault[] = []
  const fault = (check: Check, tab: string, at: number, text: string) => faults.push({ check, tab, at, text })
  const { record } = world.proxy

  for (const outcome of world.outcomes) {
    const { tab, to, call } = outcome
    const what = `${outcome.method} ${outcome.path} (${call})`
    const how = outcome.error
      ? `${outcome.error.name} ${outcome.error.code} ${outcome.error.message}`
      : String(outcome.status)
    if (!outcome.intact) fault('body changed', tab, to, what)
    if (overlaps(outcome, world.asked)) continue
    if (denied(outcome)) {
      if (!late(world, outcome)) fault('401 that could be mended', tab, to, `${what}: ${how}`)
    } else if (outcome.status !== 200 && outcome.path !== '/api/forbidden' && !excused(world, outcome)) {
      fault('failed without a cause', tab, to, `${what}: ${how}`)
    }
  }
  for (const [call, sends] of group(
    record.filter((each) => each.call),
    (each) => each.call,
  )) {
    const last = sends.at(-1)
    if (last && sends.length > 2 && !world.options.old) {
      fault(
        'more than two sends',
        last.tab,
        last.at,
        `${last.method} ${last.path} (${call}) was sent ${sends.length} times`,
      )
    }
  }
  for (const leak of world.proxy.leaks) fault('token to another origin', '', now(), leak)
  endings(world, fault)
  if (!world.over) {
    for (const note of world.notes) {
      const why =
        note.what === 'sign_in_page'
          ? 'sent to the sign-in page'
          : note.what === 'signed_out'
            ? 'found nobody signed in'
            : ''
      if (
        why &&
        note.at > (record.find((each) => each.kind === 'login')?.over ?? Infinity) &&
        !within(note.at, world.asked)
      ) {
        fault('sign-out nobody asked for', note.tab, note.at, why)
      }
    }
  }
  rotations(world, fault)
  for (const failure of world.failures) fault('hangs', '', now(), failure)
  return faults.sort((a, b) => a.at - b.at)
}

type Accuse = (check: Check, tab: string, at: number, text: string) => void

/** Each tab is told of each ending once, with its code, and of no other. */
function endings(world: World, fault: Accuse): void {
  const due = group(world.endings, (each) => `${each.tab} ${each.code}`)
  const told = group(
    world.notes.filter((note) => note.what === 'ended'),
    (note) => `${note.tab} ${note.detail}`,
  )
  for (const name of new Set([...due.keys(), ...told.keys()])) {
    const [tab = '', code = ''] = name.split(' ')
    const [wanted, got] = [due.get(name)?.length ?? 0, told.get(name)?.length ?? 0]
    const at = told.get(name)?.at(-1)?.at ?? now()
    if (got > 0 && wanted === 0) fault('sign-out nobody asked for', tab, at, `was told ${code}`)
    else if (got !== wanted) fault('told of the end', tab, at, `was told ${code} ${got} times, not ${wanted}`)
  }
}

/**
 * What the server would be right to take for theft, and what it need not have
 * been asked for. The proxy can read refresh tokens, so that it knows the
 * generation of each.
 */
function rotations(world: World, fault: Accuse): void {
  const refreshes = world.proxy.record.filter(
    (each) => each.kind === 'refresh' && each.presented && each.acted,
  )
  const families = group(refreshes, ({ presented }) => (presented ? nameOf(presented) : ''))
  let crowds = 0
  for (const family of families.values()) {
    const [first] = family
    if (!first?.presented) continue
    const name = `generation ${first.presented.generation}`
    for (const each of family) {
      if (each.code === 'REFRESH_TOKEN_REUSED')
        fault('rotation', each.tab, each.at, `${name} was taken for theft`)
      // Two keys at the same time are what becomes of a lock that nobody waits for any longer. One after the
      // other, and 30 s apart, they would be theft.
      const parted = family.find(
        (other) => other.n < each.n && other.key !== each.key && (other.over ?? Infinity) + 500 < each.at,
      )
      if (parted && !world.keyless && !world.stalled(each.at)) {
        fault(
          'rotation',
          each.tab,
          each.at,
          `${name} was renewed with two keys, ${parted.key || 'none'} and then ${each.key || 'none'}`,
        )
      }
    }
    // One answer that arrived in a tab which then lived on is enough for all.
    const good = family.find(
      (each) => fulfilled(each) && each.status === 200 && !world.disturbed(each.tab, each.over ?? now()),
    )
    for (const each of family) {
      if (good?.over && each.at > good.over + 1500 && !world.stalled(each.at)) {
        fault(
          'rotation',
          each.tab,
          each.at,
          `${name} was renewed again ${Math.round(each.at - good.over)} ms after ${good.tab} had its answer`,
        )
      }
    }
    if (crowded(world, family)) crowds++
  }
  // One of these is a noisy machine.
  const last = refreshes.at(-1)
  if (crowds > 1 && last && !world.keyless)
    fault('rotation', last.tab, last.at, `${crowds} times tabs renewed at the same time`)
  const [early, causes] = premature(world, [...families.values()])
  if (early > causes && last)
    fault(
      'rotation',
      last.tab,
      last.at,
      `${early} tokens were renewed in the first half of their life, with ${causes} causes`,
    )
}

/**
 * Whether two tabs renewed the same token at the same time though nothing
 * slowed the first: who waits for the lock for long goes on without it.
 */
function crowded(world: World, family: readonly Exchange[]): boolean {
  const calm = family.every((each) => !Object.keys(each.fate).length && !world.stalled(each.at))
  return (
    calm &&
    family.some((a) =>
      family.some((b) => b.n > a.n && b.tab !== a.tab && b.at - a.at < 300 && (a.over ?? Infinity) > b.at),
    )
  )
}

/** How many tokens were renewed early, and how many causes there were for it: pages loaded, tokens refused, sign-ins. */
function premature(world: World, families: readonly Exchange[][]): [early: number, causes: number] {
  const half = (Number.parseFloat(world.options.life ?? world.options.subject.life) * 1000) / 2
  const { record } = world.proxy
  const granted = new Map<string, number>()
  for (const { granted: token, over } of record)
    if (token && over && !granted.has(nameOf(token))) granted.set(nameOf(token), over)
  const early = families.filter(
    ([first]) => first?.presented && first.at < (granted.get(nameOf(first.presented)) ?? -Infinity) + half,
  )
  const refused = new Set(
    record.filter((each) => each.kind === 'api' && each.status === 401).map((each) => each.access?.id),
  )
  const wakes = world.upsets.length
  return [early.length, wakes + refused.size + record.filter((each) => each.kind === 'login').length + 1]
}

/**
 * Whether a call was mended, and the mended one was refused while the machine
 * stalled: the resource server of the torture knows no leeway, so that a new
 * token can be over when it arrives.
 */
function late(world: World, outcome: Outcome): boolean {
  const sends = world.proxy.record.filter((each) => each.call === outcome.call).length
  return (
    sends === 2 &&
    overlaps(
      outcome,
      world.trouble.filter(({ tab, from, to }) => tab && to - from > stall),
    )
  )
}

/** Whether a call may have failed of what befell it, or of what befell the renewals at the time. */
function excused(world: World, outcome: Outcome): boolean {
  if (overlaps(outcome, world.trouble, aftermath)) return true
  return world.proxy.record.some((each) => {
    const own = each.call === outcome.call
    const renewal =
      each.kind === 'refresh' && each.at <= outcome.to && (each.over ?? Infinity) + aftermath >= outcome.from
    return (own || renewal) && (!fulfilled(each) || each.status >= 500)
  })
}

/** What users would see and what it cost, counted. */
export function losses(world: World): Losses {
  const { record } = world.proxy
  const unasked = world.outcomes.filter((outcome) => !overlaps(outcome, world.asked))
  const sends = [
    ...group(
      record.filter((each) => each.call),
      (each) => each.call,
    ).values(),
  ]
  const faults = judge(world)
  return {
    calls: world.outcomes.length,
    signOuts: faults.filter((each) => each.check === 'sign-out nobody asked for').length,
    shown401: unasked.filter(denied).length,
    failed: unasked.filter(
      (outcome) => !denied(outcome) && outcome.status !== 200 && outcome.path !== '/api/forbidden',
    ).length,
    hung: world.failures.length,
    sentTwice: sends.filter((each) => each.length > 1).length,
    refreshes: record.filter((each) => each.kind === 'refresh').length,
    reused: record.filter((each) => each.code === 'REFRESH_TOKEN_REUSED').length,
  }
}

/** What happened around a fault, for people. */
export function around(world: World, { at }: Fault): string[] {
  const near = (when: number) => when > at - 4000 && when < at + 1000
  const notable = (each: Exchange) => each.kind !== 'api' || each.status !== 200
  return log(world, near, notable).slice(-60)
}

/** All that happened, in order. */
export const story = (world: World) =>
  log(
    world,
    () => true,
    () => true,
  )

function log(world: World, near: (when: number) => boolean, notable: (each: Exchange) => boolean): string[] {
  const lines: [number, string][] = []
  for (const each of world.proxy.record) {
    if (notable(each) && (near(each.at) || near(each.over ?? 0))) lines.push([each.at, describe(each)])
  }
  for (const note of world.notes)
    if (near(note.at)) lines.push([note.at, `${note.tab} ${note.what} ${note.detail}`])
  for (const outcome of world.outcomes) {
    if (outcome.status !== 200 && near(outcome.to)) {
      lines.push([
        outcome.to,
        `${outcome.tab} ${outcome.call} ended ${outcome.status} ${outcome.error?.message ?? ''}`,
      ])
    }
  }
  for (const { from, to, tab, why } of world.trouble) {
    if (near(from) || near(to)) lines.push([from, `${tab} trouble for ${Math.round(to - from)} ms: ${why}`])
  }
  return lines
    .sort(([a], [b]) => a - b)
    .map(([when, text]) => `${((when - world.began) / 1000).toFixed(3)} ${text}`)
}

function describe(each: Exchange): string {
  const token = each.presented ? ` g${each.presented.generation}/${each.presented.nonce.slice(0, 4)}` : ''
  const granted = each.granted ? ` -> g${each.granted.generation}/${each.granted.nonce.slice(0, 4)}` : ''
  const key = each.key && ` key ${each.key.slice(0, 4)}`
  const fate = Object.keys(each.fate).length ? ` fate ${JSON.stringify(each.fate)}` : ''
  const took = each.over ? `${Math.round(each.over - each.at)} ms` : 'under way'
  return `${each.tab} ${each.method} ${each.path} ${each.call}${token}${key}${granted} ${each.status} ${each.code} ${each.ending} ${took}${fate}`
}

function group<T>(list: readonly T[], by: (item: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>()
  for (const item of list) {
    const name = by(item)
    const others = groups.get(name)
    if (others) others.push(item)
    else groups.set(name, [item])
  }
  return groups
}
