import { describe, expect, test, vi } from 'vitest'
import { createAuthClient, isAuthError } from '../src/index.ts'
import {
  ends,
  events,
  get,
  page,
  pass,
  refusal,
  settle,
  shared,
  signedIn,
  tab,
  transports,
  world,
} from './tabs.ts'
import { World, ada, denial, password } from './world.ts'

/* What happens when two things happen at once, and when what a page is given misbehaves. */

const asAda = { email: ada.email, password }
const asNobody = { email: ada.email, password: 'wrong' }

describe.each(transports)('%s', (_, options) => {
  test('a wrong password while it is not known yet who is signed in', async () => {
    ;(await signedIn(options())).close()
    const client = tab(options())
    world.faults.push(3000)
    void client.ready()
    await pass(100)
    const call = client.fetch('/api/inbox')
    expect(isAuthError(await refusal(client.login(asNobody)), 'INVALID_CREDENTIALS')).toBe(true)
    expect((await settle(call)).status).toBe(200)
    await pass(120_000)
    expect(client.getSnapshot().status).toBe('signed_in')
  })

  test('a wrong password while a 401 is being mended', async () => {
    const client = await signedIn(options())
    const stale = `Bearer ${await client.getToken()}`
    world.routes.set('/api/inbox', ({ headers }) =>
      headers.get('Authorization') === stale ? denial('TOKEN_EXPIRED', 401) : null,
    )
    world.faults.push(undefined, 3000)
    const call = client.fetch('/api/inbox')
    await pass(100)
    await refusal(client.login(asNobody))
    expect((await settle(call)).status).toBe(200)
  })

  test('a sign-in before the sign-out is answered', async () => {
    const client = await signedIn(options())
    world.faults.push(6000)
    const leaving = client.logout().catch(() => {})
    await pass(100)
    await settle(client.login(asAda))
    await settle(leaving)
    await pass(10_000)
    expect(await get(client)).toBe(200)
    await settle(client.renew())
    expect(ends.map((end) => end.code)).toEqual(['SIGNED_OUT'])
  })

  test.each([0, 100, 2990])('a sign-out %i ms after the sign-in was begun', async (later) => {
    const client = await signedIn(options())
    await settle(client.logout())
    world.faults.push(3000)
    const entering = refusal(client.login(asAda))
    if (later) await pass(later)
    await settle(client.logout())
    expect(isAuthError(await entering)).toBe(true)
    await pass(10_000)
    expect(client.getSnapshot().status).toBe('signed_out')
    expect([...world.rows.values()].every((row) => row.ended)).toBe(true)
    client.close()
    const next = tab(options())
    await settle(next.ready())
    expect(next.getSnapshot().status).toBe('signed_out')
  })

  test('a server that asks for two minutes of rest', async () => {
    const client = await signedIn(options())
    world.weather = (path) =>
      path === '/auth/refresh' ? denial('UNAVAILABLE', 503, { 'Retry-After': '120' }) : undefined
    await pass(600_000) // a third of the life is left
    while (events.filter((event) => event.type === 'renewal_failed').length < 1) await pass(1000)
    await pass(119_000)
    expect(events.filter((event) => event.type === 'renewal_failed').length).toBe(1)
    world.weather = null
    await pass(30_000)
    expect(client.getSnapshot().error).toBe(null)
    expect(client.getSnapshot().status).toBe('signed_in')
  })

  test('a server that asks for a day of rest and is well again', async () => {
    const client = await signedIn(options())
    world.weather = (path) =>
      path === '/auth/refresh' ? denial('UNAVAILABLE', 503, { 'Retry-After': '86400' }) : undefined
    await pass(600_000)
    while (!client.getSnapshot().error) await pass(1000)
    world.weather = null
    await pass(310_000)
    expect(client.getSnapshot().error).toBe(null)
  })

  test('a tab that finds nobody signed in, late, while somebody signs in in another', async () => {
    vi.stubGlobal('navigator', {})
    const [stranger, other] = [tab(options()), tab(options())]
    world.faults.push(3000, 3000)
    void stranger.ready()
    await pass(0)
    await settle(other.login(asAda))
    await pass(5000)
    expect(other.getSnapshot().status).toBe('signed_in')
  })

  test('a dead session that each page finds anew is told once', async () => {
    const client = await signedIn(options())
    world.rows.get('s1')!.ended = 'INVALID_REFRESH_TOKEN'
    await refusal(client.renew())
    client.close()
    for (let i = 0; i < 3; i++) {
      const next = tab(options())
      await settle(next.ready())
      next.close()
    }
    expect(ends.length).toBe(1)
  })

  test('a lock manager that never answers', async () => {
    vi.stubGlobal('navigator', { locks: { request: () => new Promise(() => {}) } })
    const client = await signedIn(options())
    await settle(client.renew())
  })

  test('a sign-in server that is down holds up one call, not each', async () => {
    const client = await signedIn(options())
    page.document.hidden = true
    await pass(700_000)
    world.weather = (path) => (path === '/auth/refresh' ? 60_000 : undefined)
    await get(client)
    await pass(60_000)
    for (let i = 0; i < 5; i++) {
      const began = performance.now()
      expect(await get(client)).toBe(200)
      expect(performance.now() - began).toBeLessThan(200)
    }
  })

  test('a request of one person is not sent again as another', async () => {
    const client = await signedIn(options())
    const seen: (string | null)[] = []
    world.routes.set('/api/orders', async ({ headers }) => {
      seen.push(headers.get('Authorization'))
      const leaving = client.logout()
      await pass(100)
      await leaving
      world.user = { ...ada, id: 'u2', name: 'Bob' }
      const entering = client.login(asAda)
      await pass(100)
      await entering
      return denial('TOKEN_REVOKED', 401)
    })
    expect(await get(client, '/api/orders', { method: 'POST', body: 'one' })).toBe(401)
    expect(seen.length).toBe(1)
    expect(client.getSnapshot().user?.name).toBe('Bob')
  })

  test('a verifier that takes every token for revoked is no storm of renewals', async () => {
    const client = await signedIn(options())
    world.routes.set('/api/inbox', () => denial('TOKEN_REVOKED', 401))
    for (let i = 0; i < 20; i++) expect(await get(client)).toBe(401)
    expect(world.count('/auth/refresh')).toBeLessThan(3)
  })

  test('the body of a 401 that never ends', async () => {
    const client = await signedIn(options())
    const endless = new ReadableStream({
      start: (controller) => controller.enqueue(new TextEncoder().encode('{')),
    })
    const headers = { 'Content-Type': 'application/json', 'WWW-Authenticate': 'Bearer error="invalid_token"' }
    world.routes.set('/api/inbox', (_, nth) =>
      nth === 1 ? new Response(endless, { status: 401, headers }) : null,
    )
    expect(await get(client)).toBe(200)
  })

  test('a body that is made while it is sent', async () => {
    const client = await signedIn(options())
    world.routes.set('/api/inbox', (_, nth) => (nth === 1 ? denial('TOKEN_EXPIRED', 401) : null))
    async function* body() {
      yield new TextEncoder().encode('precious')
    }
    await settle(
      client.fetch('/api/inbox', {
        method: 'POST',
        body: body() as unknown as BodyInit,
        duplex: 'half',
      } as RequestInit),
    )
    expect(world.book.filter((entry) => entry.path === '/api/inbox').map((entry) => entry.body)).toEqual([
      'precious',
      'precious',
    ])
  })

  test('a call that is given up before it began leaves nothing unhandled', async () => {
    const unhandled: unknown[] = []
    const note = (error: unknown) => unhandled.push(error)
    process.on('unhandledRejection', note)
    const client = await signedIn(options())
    page.document.hidden = true
    await pass(901_000)
    world.weather = () => 'unreachable'
    await refusal(client.fetch('/api/inbox', { signal: AbortSignal.abort() }))
    await pass(30_000)
    for (let i = 0; i < 2; i++) await new Promise((turn) => setImmediate(turn))
    process.off('unhandledRejection', note)
    expect(unhandled).toEqual([])
  })

  test('a Request of another realm is looked at as closely', async () => {
    const sent: (string | null)[] = []
    const client = await signedIn({
      ...options(),
      fetch: async (input, init) => {
        if (String((input as Request).url ?? input).includes('/auth/')) return world.fetch(input, init)
        sent.push(new Headers(init?.headers).get('Authorization'))
        return new Response('ok')
      },
    })
    const theirs = new Request('https://evil.example/x')
    vi.stubGlobal('Request', class {})
    await settle(client.fetch(theirs))
    expect(sent).toEqual([null])
  })

  test('listeners that throw harm nobody else, and are reported', async () => {
    const reported: unknown[] = []
    const { setTimeout } = globalThis
    vi.stubGlobal('setTimeout', (work: () => void, ms: number) =>
      setTimeout(() => {
        try {
          work()
        } catch (error) {
          reported.push(error)
        }
      }, ms),
    )
    const fault = () => {
      throw new Error('of the program')
    }
    const client = tab({ ...options(), onEvent: fault, onSessionEnd: fault })
    client.subscribe(fault)
    await settle(client.login(asAda))
    await settle(client.renew())
    expect(await get(client)).toBe(200)
    await settle(client.logout())
    await pass(10)
    expect(client.getSnapshot().status).toBe('signed_out')
    expect(reported.length).toBeGreaterThan(5)
  })
})

test('a page of a file has an origin that is none', () => {
  vi.stubGlobal('location', new URL('file:///app/index.html'))
  const client = tab({ server: 'https://auth.example', origins: ['https://api.example'] })
  expect([
    client.covers('https://api.example/x'),
    client.covers('file:///app/x'),
    client.covers('https://evil.example/'),
  ]).toEqual([true, false, false])
})

describe('a storage', () => {
  /** The shared storage, whose reads fail `bad` times. */
  const flaky = (bad: { times: number }) => ({
    ...shared,
    getItem: async (key: string) => {
      if (bad.times-- > 0) throw new Error('locked')
      return shared.getItem(key)
    },
  })

  test('that is locked for a moment signs nobody out', async () => {
    ;(await signedIn({ transport: 'bearer', storage: shared })).close()
    const client = tab({ transport: 'bearer', storage: flaky({ times: 1 }) })
    void client.ready()
    await pass(5000)
    expect(client.getSnapshot().status).toBe('signed_in')
  })

  test('that is locked for a moment is not replaced by what was in memory', async () => {
    const one = await signedIn({ transport: 'bearer', storage: shared })
    const bad = { times: 0 }
    const two = tab({ transport: 'bearer', storage: flaky(bad) })
    await settle(two.ready())
    for (let i = 0; i < 2; i++) {
      await pass(60_000)
      await settle(one.renew())
    }
    await pass(60_000)
    bad.times = 1
    await settle(two.renew())
    expect(ends).toEqual([])
  })

  test('that cannot be used at all is replaced by memory', async () => {
    const denied = () => {
      throw new DOMException('', 'SecurityError')
    }
    const client = tab({
      transport: 'bearer',
      storage: { getItem: denied, setItem: denied, removeItem: denied },
    })
    expect((await settle(client.ready())).status).toBe('signed_out')
    await settle(client.login(asAda))
    for (let i = 0; i < 3; i++) {
      await pass(901_000)
      expect(await get(client)).toBe(200)
    }
  })

  test('that another process sees late does not end the next session', async () => {
    const seen = new Map<string, string>()
    let lag = 0
    const show = (change: () => void) => (lag ? setTimeout(change, lag) : change())
    const late = {
      ...shared,
      setItem: (key: string, value: string) => {
        shared.setItem(key, value)
        show(() => seen.set(key, value))
      },
      removeItem: (key: string) => {
        shared.removeItem(key)
        show(() => seen.delete(key))
      },
    }
    const one = await signedIn({ transport: 'bearer', storage: late })
    const two = tab({
      transport: 'bearer',
      storage: { ...late, getItem: (key: string) => seen.get(key) ?? null },
    })
    await settle(two.ready())
    await pass(100)
    lag = 50
    await settle(one.logout())
    await pass(60)
    lag = 0
    await settle(one.login(asAda))
    await pass(5000)
    expect([one.getSnapshot().status, two.getSnapshot().status]).toEqual(['signed_in', 'signed_in'])
  })
})

test('a worker, which has no document, signs out too', async () => {
  const client = await signedIn()
  vi.stubGlobal('document', undefined)
  await settle(client.logout())
  expect(world.rows.get('s1')!.ended).toBeTruthy()
})

test('without cookies the session lives as long as the page', async () => {
  vi.stubGlobal('navigator', { cookieEnabled: false })
  const client = await signedIn()
  expect(world.jar).toBe(null)
  await pass(901_000)
  expect(await get(client)).toBe(200)
})

test('two people in one program that has no page do not hear each other', async () => {
  vi.stubGlobal('location', undefined)
  vi.stubGlobal('document', undefined)
  const worlds = [new World(), new World()]
  const clients = worlds.map((each) =>
    createAuthClient({ server: 'https://auth.example', fetch: each.fetch }),
  )
  await settle(clients[0]!.login(asAda))
  await pass(300)
  expect(clients.map((each) => each.getSnapshot().status)).toEqual(['signed_in', 'loading'])
  for (const each of clients) each.close()
})
