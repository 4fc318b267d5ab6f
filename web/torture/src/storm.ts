import type { Scenario } from './scenarios.ts'
import { clock, type Tab, type World } from './world.ts'

/** How long everything goes wrong at once, in milliseconds. */
const length = process.env.SOAK ? 10 * 60_000 : 60_000

/** Twenty tabs, and everything that can go wrong, at once. */
export const storm: Scenario = {
  name: 'all at once',
  about: 'twenty tabs and all of the above, for a minute',
  length,
  heavy: true,
  either: true,
  comparable: true,
  options: { plain: true, init: clock(0) },
  async run(world) {
    const tabs = await world.signIn(20)
    const { dice } = world
    world.proxy.rules.push((each) => {
      if (each.kind !== 'api' && each.kind !== 'refresh') return undefined
      return {
        ...(dice.chance(0.3) && { early: dice.between(0, 1500) }),
        ...(dice.chance(0.3) && { late: dice.between(0, 1500) }),
        ...(dice.chance(0.1) && { lost: 'cut' }),
        ...(dice.chance(0.05) && { twice: dice.pick(['first', 'second']) }),
        ...(dice.chance(0.02) && { refused: 'cut' }),
      }
    })
    const end = performance.now() + length
    const left = () => end - performance.now()
    const calm = { wanted: false }
    await Promise.all([
      harmServer(world, left),
      ...[0, 1, 2].map(() => harmTabs(world, tabs, left, calm)),
      signOutOnce(world, tabs, left, calm),
    ])
  },
}

/** Restarts, kills, hangs and outages, one after the other. */
async function harmServer(world: World, left: () => number): Promise<void> {
  const { dice, server, proxy } = world
  const harms = [
    () => server.restart('SIGKILL'),
    () => server.restart('SIGTERM'),
    async () => {
      server.stop()
      await world.pass(dice.between(500, 4000))
      server.go()
    },
    async () => {
      proxy.outage = { refused: dice.pick([503, 502, 'cut']) }
      await world.pass(dice.between(500, 4000))
      proxy.outage = null
    },
  ]
  for (let turn = 0; left() > 8000; turn++) {
    await world.pass(dice.between(3000, 7000))
    await world.during(async () => harms[turn % harms.length]?.())
  }
}

/** Freezes, reloads, closes and opens tabs, and takes them off the network. */
async function harmTabs(
  world: World,
  tabs: Tab[],
  left: () => number,
  calm: { wanted: boolean },
): Promise<void> {
  const { dice } = world
  const free = () => {
    const some = tabs.filter((tab) => !tab.closed && !tab.busy)
    return some[Math.floor(dice.roll() * some.length)]
  }
  while (left() > 6000) {
    await world.pass(dice.between(300, 1500))
    const tab = free()
    if (!tab || calm.wanted) continue
    tab.busy = true
    const harm = dice.roll()
    try {
      if (harm < 0.3) {
        await tab.freeze()
        await world.pass(dice.between(500, 6000))
        await tab.thaw()
      } else if (harm < 0.55) {
        await tab.reload()
      } else if (harm < 0.75) {
        await world.during(async () => {
          await tab.offline(true)
          await world.pass(dice.between(500, 5000))
          await tab.offline(false)
        })
      } else if (harm < 0.9) {
        await tab.page.bringToFront()
        await tab.setClock(dice.between(-600_000, 600_000))
      } else {
        await tab.close()
        tabs.push(await world.open())
      }
    } finally {
      tab.busy = false
    }
  }
}

/** In the middle somebody signs out in one tab and in again in another. The network stays as it is. */
async function signOutOnce(
  world: World,
  tabs: Tab[],
  left: () => number,
  calm: { wanted: boolean },
): Promise<void> {
  if (!world.options.subject.shares) return
  await world.pass(left() / 2)
  calm.wanted = true
  await world.until('all tabs at rest', () => tabs.every((tab) => !tab.busy))
  const open = tabs.filter((tab) => !tab.closed)
  // A page that does not know yet whether somebody is signed in is told of no end.
  await Promise.all(open.map((tab) => world.until(`${tab.name} signed in`, () => tab.ready())))
  const before = new Map(open.map((tab) => [tab, world.told(tab).length]))
  await world.ending('SIGNED_OUT', open, async () => {
    await open[0]?.logout().catch(() => {}) // its answer may be lost like any other
    const told = (tab: Tab) => world.told(tab).length > (before.get(tab) ?? 0)
    await world.until('all tabs told of the sign-out', () => open.every(told))
    const again = () =>
      open[1]!.login().then(
        () => true,
        () => false,
      )
    await world.until('somebody signed in again', again)
    await world.until('all tabs signed in', async () => {
      await world.pass(500)
      const outcomes = await Promise.all(open.map((tab) => tab.call()))
      return outcomes.every(({ status, error }) => status !== 401 && error?.status !== 401)
    })
  })
  calm.wanted = false
}
