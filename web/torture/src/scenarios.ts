import { now, type Exchange, type Fate } from './record.ts'
import { clock, type Tab, type Transport, type World, type WorldOptions } from './world.ts'

export interface Scenario {
  name: string
  /** What happens, in the words of who has to explain it. */
  about: string
  /** Only these; default: both. */
  transports?: readonly Transport[]
  /** Keeps the machine so busy that nothing can run beside it. */
  heavy?: boolean
  /** How long it takes where that is a matter of time, in milliseconds. */
  length?: number
  /** The transport matters little here: one run does it with one of them. */
  either?: boolean
  /** Whether other clients can be put through it too. */
  comparable?: boolean
  options?: Pick<WorldOptions, 'plain' | 'old' | 'life' | 'init'>
  run(world: World): Promise<void>
}

const isRefresh = (each: Exchange) => each.kind === 'refresh'

/** A promise to be kept later. */
function gate() {
  let open = () => {}
  const opened = new Promise<void>((resolve) => (open = resolve))
  return { opened, open }
}

/** Applies a fate to the nth refresh from now, counted from 1. */
function befall(world: World, nth: number, fate: Fate): void {
  let n = 0
  world.proxy.rules.push((each) => (isRefresh(each) && ++n === nth ? fate : undefined))
}

/** A tenth of all answers is lost on the way back, and so is every third of a renewal. */
function lossy(world: World): void {
  let all = 0
  let refreshes = 0
  world.proxy.rules.push((each) => {
    const lost = isRefresh(each) ? ++refreshes % 3 === 1 : ++all % 10 === 0
    return lost ? { lost: 'cut' } : undefined
  })
}

const isApi = (each: Exchange) => each.kind === 'api' || isRefresh(each)

/** What is done while a renewal is under way, before or after the server has acted. */
async function amidRenewal(
  world: World,
  when: 'early' | 'late',
  work: (refresh: Exchange) => Promise<void>,
): Promise<void> {
  const { opened, open } = gate()
  const from = world.proxy.record.length
  befall(world, 1, { [when]: opened })
  const refresh = await world.proxy.seen(
    (each) =>
      each.n >= from && isRefresh(each) && (when === 'early' || each.granted !== null || each.status > 0),
  )
  try {
    await work(refresh)
  } finally {
    open()
  }
}

export const scenarios: readonly Scenario[] = [
  {
    name: 'answer lost',
    about: 'the answer to a renewal is lost after the server has acted',
    comparable: true,
    async run(world) {
      await world.signIn(1)
      befall(world, 1, { lost: 'cut' })
      await world.renewals(2)
    },
  },
  {
    name: 'answers lost',
    about: 'the answer to a renewal is lost, and so is that to the second try',
    either: true,
    async run(world) {
      await world.signIn(1)
      let tries = 0
      world.proxy.rules.push((each) => (isRefresh(each) && ++tries <= 2 ? { lost: 'cut' } : undefined))
      await world.renewals(2)
    },
  },
  {
    name: 'every tenth lost',
    about: 'every tenth answer is lost, and every third of a renewal; two tabs',
    comparable: true,
    async run(world) {
      await world.signIn(2)
      lossy(world)
      await world.renewals(3)
    },
  },
  {
    name: 'delayed',
    about: 'requests and answers take up to 3 s; two tabs',
    comparable: true,
    async run(world) {
      await world.signIn(2)
      world.proxy.rules.push((each) => {
        const [early, late] = [world.dice.between(0, 1500), world.dice.between(0, 1500)]
        return isApi(each) ? { early, late } : undefined
      })
      await world.renewals(3)
    },
  },
  {
    name: 'reordered',
    about: 'of any two answers the first comes last; three tabs',
    comparable: true,
    async run(world) {
      await world.signIn(3)
      let previous = gate()
      let odd = true
      world.proxy.rules.push((each) => {
        if (!isApi(each)) return undefined
        odd = !odd
        if (odd) {
          previous.open()
          return undefined
        }
        previous = gate()
        return { late: Promise.race([previous.opened, world.pass(1500)]) }
      })
      await world.renewals(3)
    },
  },
  {
    name: 'doubled',
    about: 'each request reaches the server twice; two tabs',
    comparable: true,
    async run(world) {
      await world.signIn(2)
      world.proxy.rules.push((each) =>
        isApi(each) ? { twice: world.dice.pick(['first', 'second']) } : undefined,
      )
      await world.renewals(3)
    },
  },
  {
    name: 'two tabs',
    about: 'nothing goes wrong; two tabs',
    comparable: true,
    async run(world) {
      await world.signIn(2)
      await world.pass(8000)
      await world.renewals(1)
    },
  },
  {
    name: 'twenty tabs',
    either: true,
    about: 'nothing goes wrong; twenty tabs',
    heavy: true,
    comparable: true,
    async run(world) {
      await world.signIn(20, [500, 1500])
      await world.renewals(2)
    },
  },
  {
    name: 'frozen with the lock',
    about: 'a tab is frozen while its renewal is on the way; another goes on, and the renewal arrives late',
    comparable: true,
    options: { plain: true },
    async run(world) {
      const [first, second] = await two(world)
      await second.page.bringToFront()
      await second.pace(null)
      await amidRenewal(world, 'early', async () => {
        await first.freeze()
        await second.pace([200, 500])
        await world.proxy.seen((each) => isRefresh(each) && each.tab === second.name && each.status === 200)
      })
      await first.thaw()
      await world.renewals(2)
    },
  },
  {
    name: 'frozen with the answer',
    about: 'a tab is frozen while the answer to its renewal is on the way; another goes on',
    comparable: true,
    options: { plain: true },
    async run(world) {
      const [first, second] = await two(world)
      await second.page.bringToFront()
      await second.pace(null)
      await amidRenewal(world, 'late', () => first.freeze())
      await second.pace([200, 500])
      await world.renewals(1)
      await first.thaw()
      await world.renewals(2)
    },
  },
  {
    name: 'asleep',
    about: 'all tabs are frozen until the token is long over',
    comparable: true,
    options: { plain: true },
    async run(world) {
      const tabs = await world.signIn(3)
      const front = await world.open(null)
      await front.page.bringToFront()
      for (const tab of tabs) await tab.freeze()
      await world.pass(8000)
      await Promise.all(tabs.map((tab) => tab.thaw()))
      await world.renewals(1)
    },
  },
  ...(['early', 'late'] as const).map(
    (when): Scenario => ({
      name: when === 'early' ? 'closed before' : 'closed after',
      about: `the only tab is closed ${when === 'early' ? 'before a renewal reaches the server' : 'before the answer to a renewal arrives'}; a new one is opened`,
      comparable: true,
      async run(world) {
        const [tab] = await world.signIn(1)
        await amidRenewal(world, when, () => tab!.close())
        await world.open()
        await world.renewals(2)
      },
    }),
  ),
  ...(['early', 'late'] as const).map(
    (when): Scenario => ({
      name: when === 'early' ? 'loaded anew before' : 'loaded anew after',
      about: `the page is loaded anew ${when === 'early' ? 'before a renewal reaches the server' : 'before the answer to a renewal arrives'}; two tabs`,
      comparable: true,
      async run(world) {
        const tabs = await world.signIn(2)
        await amidRenewal(world, when, (refresh) => tabs.find((each) => each.name === refresh.tab)!.reload())
        await world.renewals(2)
      },
    }),
  ),
  {
    name: 'back and forward',
    about: 'the page lies in the back/forward cache while its token runs out in another tab',
    comparable: true,
    async run(world) {
      const [first] = await two(world)
      // Chromium may drop a page from the cache when it pleases.
      for (let tries = 1; !(await awayAndBack(world, first)); tries++) {
        if (tries === 3) throw new Error('Chromium kept the page in no back/forward cache, three times')
      }
      await first.pace([200, 500])
      await world.renewals(1)
    },
  },
  {
    name: 'offline',
    about: 'the device is offline for longer than a token lives',
    comparable: true,
    async run(world) {
      await world.signIn(2)
      await world.during(async () => {
        await world.context.setOffline(true)
        await world.pass(8000)
        await world.context.setOffline(false)
        await world.renewals(1)
      })
    },
  },
  {
    name: 'restarted',
    either: true,
    about: 'the server is restarted, again and again, as in a deployment',
    comparable: true,
    async run(world) {
      await world.signIn(2)
      await restarts(world, 'SIGTERM')
    },
  },
  {
    name: 'killed',
    about: 'the server is killed in the middle of a renewal, and again and again',
    comparable: true,
    async run(world) {
      await world.signIn(2)
      await restarts(world, 'SIGKILL')
    },
  },
  {
    name: 'outage, answered',
    either: true,
    about: 'everything is answered 503 for longer than a token lives',
    comparable: true,
    run: (world) => outage(world, { refused: 503 }),
  },
  {
    name: 'outage, cut',
    either: true,
    about: 'no connection comes about for longer than a token lives',
    comparable: true,
    run: (world) => outage(world, { refused: 'cut' }),
  },
  {
    name: 'outage, silent',
    either: true,
    about: 'the server hangs for longer than a token lives, then goes on where it was',
    comparable: true,
    async run(world) {
      await world.signIn(2)
      await world.during(async () => {
        world.server.stop()
        await world.pass(8000)
        world.server.go()
        await world.renewals(1)
      })
    },
  },
  {
    name: 'never answered',
    about: 'a renewal is never answered, and its connection stays open',
    async run(world) {
      await world.signIn(2)
      await world.during(async () => {
        befall(world, 1, { lost: 'silence' })
        await world.renewals(1)
      })
      await world.renewals(1)
    },
  },
  {
    name: 'kept connections cut',
    about: 'connections are kept, and cut after the server has acted: Chromium itself sends again',
    options: { old: true },
    comparable: true,
    async run(world) {
      await world.signIn(2)
      lossy(world)
      await world.renewals(3)
    },
  },
  ...[10, -10].map(
    (minutes): Scenario => ({
      name: `clock ${minutes > 0 ? 'fast' : 'slow'}`,
      either: true,
      about: `the clock of the device is ten minutes ${minutes > 0 ? 'fast' : 'slow'}`,
      comparable: true,
      options: { init: clock(minutes * 60_000) },
      async run(world) {
        await world.signIn(2)
        await world.renewals(2)
      },
    }),
  ),
  {
    name: 'clock set',
    either: true,
    about: 'the clock of the device jumps ten minutes back and forth',
    comparable: true,
    options: { init: clock(0) },
    async run(world) {
      const tabs = await world.signIn(2)
      for (const minutes of [10, -10, 0]) {
        for (const tab of tabs) await tab.setClock(minutes * 60_000).catch(() => {})
        await world.renewals(1)
      }
    },
  },
  {
    name: 'storage denied',
    about: 'localStorage, cookies of the page, locks and channels are denied',
    options: {
      init: `
        const deny = () => { throw new DOMException('denied', 'SecurityError') }
        Object.defineProperty(window, 'localStorage', { get: deny })
        Object.defineProperty(document, 'cookie', { get: deny, set: deny })
        Object.defineProperty(Navigator.prototype, 'locks', { get: deny })
        window.BroadcastChannel = class { constructor() { deny() } }`,
    },
    async run(world) {
      world.keyless = true
      await world.signIn(1)
      befall(world, 1, { lost: 'cut' })
      await world.renewals(3)
    },
  },
  {
    name: 'storage silent',
    about: 'cookies of the page and localStorage forget at once what is written; the lock fails',
    options: {
      init: `
        Object.defineProperty(window, 'localStorage', { value: { getItem: () => null, setItem() {}, removeItem() {} } })
        Object.defineProperty(document, 'cookie', { get: () => '', set() {} })
        Object.defineProperty(Navigator.prototype, 'locks', { get: () => ({ request: () => Promise.reject(new DOMException('no', 'InvalidStateError')) }) })`,
    },
    transports: ['cookie'],
    async run(world) {
      world.keyless = true
      await world.signIn(2)
      befall(world, 1, { lost: 'cut' })
      await world.renewals(3)
    },
  },
  {
    name: 'strict clock elsewhere',
    either: true,
    about: 'a resource server whose clock is ahead refuses tokens that all tabs take for good',
    comparable: true,
    options: { life: '16s' },
    async run(world) {
      world.proxy.leeway = 0
      world.proxy.ahead = 8000
      await world.signIn(4)
      await world.renewals(2)
    },
  },
  {
    name: 'signed out',
    about: 'somebody signs out in one tab and in again in another; three tabs',
    async run(world) {
      const tabs = await three(world)
      const [first, second] = tabs
      await world.ending('SIGNED_OUT', tabs, async () => {
        await first.logout()
        await world.until('all tabs told', () => tabs.every((tab) => world.told(tab).length === 1))
        await gone(world, first)
        await second.login()
        await world.until('all tabs signed in', () => everywhere(tabs))
      })
      await world.renewals(1)
    },
  },
  ...(['early', 'late'] as const).map(
    (when): Scenario => ({
      name: when === 'early' ? 'signed out before' : 'signed out after',
      about: `somebody signs out while a renewal is on its way ${when === 'early' ? 'to the server' : 'back'}; two tabs`,
      async run(world) {
        const tabs = await two(world)
        world.over = true
        await amidRenewal(world, when, async (refresh) => {
          const other = tabs.find((each) => each.name !== refresh.tab)!
          await world.ending('SIGNED_OUT', tabs, () => other.logout())
        })
        await world.until('all tabs told', () => tabs.every((tab) => world.told(tab).length === 1))
        await gone(world, tabs[0])
      },
    }),
  ),
  {
    name: 'signed out, lost',
    about: 'the answer to a sign-out is lost; whoever signs in next stays signed in',
    async run(world) {
      const tabs = await two(world)
      await world.ending('SIGNED_OUT', tabs, async () => {
        world.proxy.rules.push((each) => (each.kind === 'logout' ? { lost: 'cut' } : undefined))
        await tabs[0].logout().catch(() => {})
        world.proxy.rules.length = 0
        await world.until('all tabs told', () => tabs.every((tab) => world.told(tab).length === 1))
        await tabs[1].login()
        await world.until('all tabs signed in', () => everywhere(tabs))
      })
      await world.renewals(2)
    },
  },
  {
    name: 'suspended',
    about: 'the account is suspended; three tabs',
    async run(world) {
      const tabs = await three(world)
      world.over = true
      await world.ending('ACCOUNT_SUSPENDED', tabs, () =>
        world.server.command('user', 'suspend', 'ada@example.com'),
      )
      await world.until('all tabs told', () => tabs.every((tab) => world.told(tab).length === 1))
      await world.pass(1000)
    },
  },
  {
    name: 'ended by an operator',
    about: 'the session is ended on the server; two tabs',
    async run(world) {
      const tabs = await two(world)
      world.over = true
      await world.ending('INVALID_REFRESH_TOKEN', tabs, () =>
        world.server.command('session', 'end', '--all', 'ada@example.com'),
      )
      await world.until('all tabs told', () => tabs.every((tab) => world.told(tab).length === 1))
      await world.pass(1000)
    },
  },
  {
    name: 'bodies',
    either: true,
    about: 'a POST, a Request and a stream over a token that the resource server takes no longer',
    options: { life: '60s' },
    async run(world) {
      const tab = await world.open(null)
      await tab.login()
      for (const as of ['text', 'request', 'stream'] as const) {
        await world.pass(5500) // a token that was made because of a 401 is not renewed at once for another
        const newest = world.proxy.record.length
        const stale = (each: Exchange) =>
          each.kind === 'api' && each.n >= newest && each.call.endsWith(`.${count}`)
        let count = ''
        let first = true
        world.proxy.ahead = 0
        world.proxy.rules.push((each) => {
          if (each.kind === 'api') {
            count = each.call.split('.').at(-1) ?? ''
            world.proxy.ahead = first ? 120_000 : 0
            first = false
          }
          return undefined
        })
        const outcome = await tab.call({ path: '/api/echo', body: `${as} ${'x'.repeat(20_000)}`, as })
        world.proxy.rules.length = 0
        const sends = world.proxy.record.filter(stale).length
        if (outcome.status !== 200 || sends !== 2)
          world.failures.push(
            `a body as ${as}: status ${outcome.status} after ${sends} sends, ${outcome.error?.message ?? ''}`,
          )
      }
    },
  },
  {
    name: 'other origins',
    either: true,
    about: 'calls are redirected to another origin, and made to it',
    comparable: true,
    async run(world) {
      const [tab] = await world.signIn(1)
      await world.during(async () => {
        await tab!.call({ path: '/api/away' })
        await tab!.call({ path: `${world.proxy.elsewhere}/api/profile` })
        await tab!.call({ path: `${world.proxy.elsewhere}/api/profile`, body: 'x' })
      })
      if (world.proxy.strangers === 0) world.failures.push('nothing ever came to the other origin')
      await world.renewals(1)
    },
  },
  {
    name: 'forbidden',
    either: true,
    about: 'a 403 is the caller’s: it is neither renewed nor sent again',
    async run(world) {
      const [tab] = await world.signIn(1)
      for (let n = 0; n < 5; n++) {
        const { status, call } = await tab!.call({ path: '/api/forbidden' })
        const sends = world.proxy.record.filter((each) => each.call === call).length
        if (status !== 403 || sends !== 1) world.failures.push(`a 403 came as ${status} after ${sends} sends`)
      }
      await world.renewals(1)
    },
  },
]

async function two(world: World): Promise<[Tab, Tab]> {
  return (await world.signIn(2)) as [Tab, Tab]
}

async function three(world: World): Promise<[Tab, Tab, Tab]> {
  return (await world.signIn(3)) as [Tab, Tab, Tab]
}

/** Leaves a page and comes back two renewals later; whether it is still the one that was left. */
async function awayAndBack(world: World, tab: Tab): Promise<boolean> {
  await tab.pace(null)
  await world.until('an end of its calls', async () => (await tab.pending()).length === 0)
  await tab.page.evaluate(() => (document.title = 'left'))
  await tab.page.goto(`${world.proxy.elsewhere}/away`)
  await world.renewals(2)
  await tab.page.goBack({ waitUntil: 'commit' })
  await tab.running()
  return (await tab.page.title()) === 'left'
}

async function restarts(world: World, signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
  for (let turn = 0; turn < 2; turn++) {
    await world.during(async () => {
      await world.proxy
        .seen((each) => isRefresh(each) && each.at > now() - 200 && each.ending === 'under way')
        .catch(() => {})
      await world.server.restart(signal)
      await world.renewals(1)
    })
  }
}

async function outage(world: World, fate: Fate): Promise<void> {
  await world.signIn(2)
  await world.during(async () => {
    world.proxy.outage = fate
    await world.pass(8000)
    world.proxy.outage = null
    await world.renewals(1)
  })
}

/** Whether all tabs have somebody signed in: a call of each succeeds. */
async function everywhere(tabs: readonly [Tab, ...Tab[]]): Promise<boolean> {
  await tabs[0].world.pass(500)
  const outcomes = await Promise.all(tabs.map((tab) => tab.call()))
  return outcomes.every(({ status }) => status === 200)
}

/** Nothing is left of the session: the server has none, and a new page finds none. */
async function gone(world: World, tab: Tab): Promise<void> {
  const listed = JSON.parse(
    await world.server.command('session', 'list', 'ada@example.com', '--json'),
  ) as unknown[]
  if (listed.length > 0) world.failures.push('a session is left on the server after the sign-out')
  await tab.reload()
  if (await tab.ready()) world.failures.push('a page that was loaded after the sign-out is signed in')
}
