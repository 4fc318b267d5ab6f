import { contest, type Turn } from './thief.ts'
import { naive, ours, widgets, type Side } from './sides.ts'
import { Store } from './store.ts'
import { renewInTwoTabs } from './tabs.ts'
import { judge, minutes, times, type Verdict } from './words.ts'
import { loseNextAnswer, now, setClock, setOnline, world } from './world.ts'

/** What a lever did to one of the clients. */
export type Effect = Verdict & { turns?: readonly Turn[] }

export interface Outcome {
  ours: Effect
  naive: Effect
}

/** What an act knows better than what was counted while it ran. */
type Said = { ours?: Partial<Effect>; naive?: Partial<Effect> }

export interface LeverState {
  busy: boolean
  outcome: Outcome | null
}

export interface Lever {
  id: string
  title: string
  /** What happens in the world, in a sentence. */
  what: string
  /** The button of a lever that has two positions, when it is pulled. */
  back?: string
  /** Whether it is pulled. */
  pulled?: () => boolean
  /** Positions to choose from in place of a button. */
  positions?: readonly { label: string; value: number }[]
  /** `show` is for what is to be seen before it is over. */
  act(value: number, show: (said: Said) => void): Promise<Said | undefined>
}

const sleep = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms))
const both = <T>(fn: (side: Side) => Promise<T>) => Promise.all([fn(ours), fn(naive)])

/** Asks the dev server for what only it can do. */
async function dev(what: string, side?: Side): Promise<Record<string, string>> {
  const headers = side ? { Authorization: await side.authorization() } : {}
  const response = await fetch(`/dev/${what}`, { method: 'POST', headers })
  const answer = response.headers.get('Content-Type')?.includes('json') ? await response.json() : {}
  if (!response.ok) throw new Error(answer.detail ?? `HTTP ${response.status}`)
  return answer
}

const openWidgets = () => both((side) => Promise.all(widgets.map((path) => side.call(path))))
const renewIfIn = async (side: Side) => (side.signedIn() ? side.renew() : undefined)

/** The renewals that began when the network was cut. */
let underWay: Promise<unknown> = Promise.resolve()

/** Whether the account was suspended from here. */
export const suspended = new Store(false)

/** Makes the account active again. */
export async function lift(): Promise<void> {
  await dev('activate')
  suspended.set(false)
}

export const levers: readonly Lever[] = [
  {
    id: 'sleep',
    title: 'Sleep for 16 minutes',
    what: 'The laptop wakes up with a token that expired a minute ago, and three parts of the page ask at once.',
    async act() {
      const tokens = await both(async (side) =>
        side.signedIn() ? (await dev('expire', side)).accessToken : null,
      )
      if (tokens[0]) ours.wakeWith(tokens[0])
      if (tokens[1]) naive.client.token = tokens[1]
      await openWidgets()
    },
  },
  {
    id: 'lose',
    title: 'Lose an answer',
    what: 'A renewal reaches the server, which acts on it. The answer never arrives.',
    async act() {
      await both(async (side) => {
        if (!side.signedIn()) return
        loseNextAnswer(side)
        await side.renew()
        await side.call('/api/profile')
      })
    },
  },
  {
    id: 'network',
    title: 'Cut the network',
    what: 'A tunnel, just as the token is due for renewal.',
    back: 'Bring it back',
    pulled: () => !world.get().online,
    async act() {
      if (world.get().online) {
        setOnline(false)
        underWay = both(renewIfIn)
        await Promise.race([underWay, sleep(1200)]) // who keeps asking, asks on
      } else {
        setOnline(true)
        await underWay
      }
      await both((side) => side.call('/api/profile'))
    },
  },
  {
    id: 'restart',
    title: 'Restart the server',
    what: 'It is gone for two seconds, just as a renewal is due. Both keep calling.',
    async act() {
      await dev('restart')
      while (await answers()) await sleep(50)
      const renewals = both(renewIfIn)
      while (!(await answers())) {
        await both((side) => side.call('/api/profile'))
        await sleep(400)
      }
      await renewals
      await both((side) => side.call('/api/profile'))
    },
  },
  {
    id: 'clock',
    title: 'Set the clock wrong',
    what: 'The device’s clock is off by ten minutes. Both call five times.',
    positions: [
      { label: '10 min slow', value: -10 },
      { label: 'right', value: 0 },
      { label: '10 min fast', value: 10 },
    ],
    async act(value) {
      setClock(value)
      await both(async (side) => {
        for (let i = 0; i < 5; i++) await side.call('/api/profile')
      })
      if (value >= 0 || !naive.signedIn()) return
      const { expires } = naive.client.times
      const detail = `Believes that its token is good for ${minutes(expires - Date.now())}. It is for ${minutes(expires - now())}.`
      return { naive: { end: 'Wrong, and unaware', good: false, detail } }
    },
  },
  {
    id: 'tab',
    title: 'Open a second tab',
    what: 'Two tabs, one session, and both renew at the same moment.',
    async act() {
      const asked = await renewInTwoTabs()
      if (!asked) return { ours: { detail: 'No second tab came up: perhaps the browser blocked it.' } }
      const told = (n: number): Partial<Effect> => ({
        detail: `The two tabs asked the server ${n === 1 ? 'once, and shared the answer' : `${n} times`}.`,
      })
      return { ours: told(asked.ours), naive: told(asked.naive) }
    },
  },
  {
    id: 'steal',
    title: 'Steal the token',
    what: 'A thief copies the refresh token of each and renews in turns with its owner, always first.',
    async act(_, show) {
      // A script reads localStorage and cannot read the cookie: for that, the
      // dev server plays whoever reads the browser's files.
      const cookie = ours.transport.get() === 'cookie'
      const copies = [
        ours.signedIn() ? (cookie ? (await dev('copy', ours)).refreshToken : kept()) : null,
        naive.client.refreshToken,
      ] as const
      const said: Said = {}
      const play = async (
        side: Side,
        name: 'ours' | 'naive',
        copy: string | null | undefined,
        how: string,
      ) => {
        if (!copy) return
        const turns = await contest(side, copy, (turns) => {
          said[name] = { turns }
          show(said)
        })
        const { detail, ...rest } = verdict(turns)
        said[name] = { turns, ...rest, detail: `${how} ${detail}` }
      }
      const reach = cookie
        ? 'No script can read the cookie; malware could.'
        : 'Any script can read localStorage.'
      await Promise.all([
        play(ours, 'ours', copies[0], reach),
        play(naive, 'naive', copies[1], 'Any script can read localStorage.'),
      ])
      return said
    },
  },
  {
    id: 'suspend',
    title: 'Suspend the account',
    what: 'An operator does. No renewal can mend that, and none should.',
    back: 'Lift it',
    pulled: suspended.get,
    async act() {
      if (suspended.get()) {
        await lift()
        const back = { end: 'Active again', good: true, detail: 'What has ended stays ended: sign in.' }
        return { ours: back, naive: back }
      }
      await dev('suspend', ours)
      suspended.set(true)
      await sleep(100) // the server hears of it as of any operator's command
      await both((side) => side.call('/api/profile'))
    },
  },
]

/** The refresh token that the bearer transport keeps. */
function kept(): string | null {
  try {
    return JSON.parse(localStorage.getItem('doorward') ?? '').refreshToken
  } catch {
    return null
  }
}

async function answers(): Promise<boolean> {
  try {
    return (await fetch('/healthz', { cache: 'no-store' })).ok
  } catch {
    return false
  }
}

function verdict(turns: readonly Turn[]): Verdict {
  const caught = turns.findIndex((turn) => turn.refused)
  if (caught < 0) {
    const detail = `After ${times(turns.length / 2, 'turn')} each the server cannot tell the two apart.`
    return { end: 'Shared with a thief', good: false, detail }
  }
  const { who, refused } = turns[caught]!
  const detail = `Caught at the ${who}’s turn ${Math.floor(caught / 2) + 1}: ${refused}. The session is over for both.`
  return { end: 'Thief caught', good: true, detail }
}

const states = new Map(levers.map(({ id }) => [id, new Store<LeverState>({ busy: false, outcome: null })]))

export const stateOf = (id: string): Store<LeverState> => states.get(id)!

/** The one that was pulled last. */
export const last = new Store<Lever | null>(null)

/** Whether one is being pulled: one at a time, or nobody could tell what did what. */
export const busy = new Store(false)

export async function pull(lever: Lever, value = 0): Promise<void> {
  if (busy.get()) return
  const state = stateOf(lever.id)
  busy.set(true)
  last.set(lever)
  state.set({ busy: true, outcome: null })
  const look = [ours, naive].map(watched)
  const show = (said: Said | undefined, over: boolean) =>
    state.update({
      outcome: { ours: { ...look[0]!(over), ...said?.ours }, naive: { ...look[1]!(over), ...said?.naive } },
    })
  try {
    show(await lever.act(value, (said) => show(said, false)), true)
  } catch (error) {
    const failed = {
      end: 'The lever failed',
      good: false,
      detail: error instanceof Error ? error.message : String(error),
    }
    show({ ours: failed, naive: failed }, true)
  } finally {
    state.update({ busy: false })
    busy.set(false)
  }
}

/** Begins to watch one of the clients. */
function watched(side: Side): (over: boolean) => Verdict {
  const was = side.signedIn()
  const since = side.journal.mark()
  return (over) => {
    if (!was) return { end: 'Was signed out before', good: true, detail: '' }
    return over ? judge(since(), side.signedIn()) : { end: '', good: true, detail: '' }
  }
}
