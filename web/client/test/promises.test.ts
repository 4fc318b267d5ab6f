import { describe, expect, test, vi } from 'vitest'
import { isAuthError } from '../src/index.ts'
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
import { ada, denial, origin, password, type Fault } from './world.ts'

/* What a client promises, one by one. */

describe.each(transports)('%s', (transport, options) => {
  /** The pending key, wherever this transport keeps it. */
  const pending = () =>
    transport === 'cookie'
      ? page.cookies.get('doorward-attempt')
      : (JSON.parse(shared.kept.get('doorward') ?? '{}') as { key?: string }).key

  describe('1. renews before expiry', () => {
    test.each([
      [900, 600],
      [3600, 3300],
      [60, 40],
    ])('a life of %d s is renewed after about %d s, of itself', async (life, due) => {
      world.life = life
      const client = await signedIn(options())
      expect(client.renewsIn()).toBeCloseTo(due, 0)
      await pass((due - 2) * 1000)
      expect(world.count('/auth/refresh')).toBe(0)
      await pass((life - due) * 250 + 3000)
      expect(world.count('/auth/refresh')).toBe(1)
    })

    test('a hidden page does not renew by itself, but before a request', async () => {
      const client = await signedIn(options())
      page.document.hidden = true
      await pass(700_000)
      expect(world.count('/auth/refresh')).toBe(0)
      expect(await get(client)).toBe(200)
      expect(world.book.map((entry) => entry.path)).toEqual(['/auth/login', '/auth/refresh', '/api/inbox'])
    })

    test.each([-600_000, 600_000, 86_400_000])(
      'the wall clock does not matter, off by %d ms',
      async (off) => {
        const client = await signedIn(options())
        vi.setSystemTime(Date.now() + off)
        await pass(500_000)
        expect(await get(client)).toBe(200)
        expect(world.count('/auth/refresh')).toBe(0)
      },
    )

    test.each(['visibilitychange', 'resume', 'focus', 'online'])('looks at the time on %s', async (type) => {
      await signedIn(options())
      page.document.hidden = true
      await pass(800_000)
      expect(world.count('/auth/refresh')).toBe(0)
      page.document.hidden = false
      ;(type === 'focus' || type === 'online' ? page.page : page.document).dispatchEvent(new Event(type))
      await pass(100)
      expect(world.count('/auth/refresh')).toBe(1)
    })

    test('a page that comes back from the back/forward cache asks whether it is still signed in', async () => {
      const client = await signedIn(options())
      page.page.dispatchEvent(new Event('pagehide'))
      world.rows.get('s1')!.ended = 'INVALID_REFRESH_TOKEN'
      page.page.dispatchEvent(Object.assign(new Event('pageshow'), { persisted: true }))
      await pass(100)
      expect(client.getSnapshot().status).toBe('signed_out')
    })
  })

  describe('2. one renewal at a time', () => {
    test('for all requests', async () => {
      const client = await signedIn(options())
      page.document.hidden = true
      await pass(901_000)
      const all = await settle(Promise.all(Array.from({ length: 20 }, () => client.fetch('/api/inbox'))))
      expect(all.map((answer) => answer.status)).toEqual(Array(20).fill(200))
      expect(world.count('/auth/refresh')).toBe(1)
    })

    test('for all tabs, which take what one got', async () => {
      const first = await signedIn(options())
      const tabs = [first, ...Array.from({ length: 9 }, () => tab(options()))]
      await settle(Promise.all(tabs.map((each) => each.ready())))
      expect(world.count('/auth/refresh')).toBeLessThan(3)
      page.document.hidden = true
      await pass(901_000)
      const before = world.count('/auth/refresh')
      await settle(Promise.all(tabs.map((each) => each.fetch('/api/inbox'))))
      expect(world.count('/auth/refresh')).toBe(before + 1)
    })

    test('a frozen tab that holds the lock costs a second and nothing else', async () => {
      const client = await signedIn(options())
      page.locks.stuck = true
      await pass(901_000)
      const started = performance.now()
      expect(await get(client)).toBe(200)
      expect(performance.now() - started).toBeLessThan(1500)
    })

    test.each(['locks that refuse', 'no locks', 'no channel'])(
      '%s are no reason to give up',
      async (what) => {
        if (what === 'locks that refuse')
          vi.stubGlobal('navigator', {
            locks: {
              request: () => {
                throw new DOMException('', 'SecurityError')
              },
            },
          })
        if (what === 'no locks') vi.stubGlobal('navigator', {})
        if (what === 'no channel')
          vi.stubGlobal(
            'BroadcastChannel',
            class {
              constructor() {
                throw new DOMException('', 'SecurityError')
              }
            },
          )
        const client = await signedIn(options())
        await pass(901_000)
        expect(await get(client)).toBe(200)
      },
    )
  })

  describe('3. the Idempotency-Key', () => {
    test('is saved before the refresh and dropped after it, a new one each time', async () => {
      const client = await signedIn(options())
      const seen: (string | undefined)[] = []
      world.weather = (path) => {
        if (path === '/auth/refresh') seen.push(pending())
        return undefined
      }
      await settle(client.renew())
      await settle(client.renew())
      const keys = world.book.filter((entry) => entry.path === '/auth/refresh').map((entry) => entry.key)
      expect(seen).toEqual(keys)
      expect(keys[0]).toMatch(/^[!-~]{20,255}$/)
      expect(new Set(keys).size).toBe(2)
      expect(pending()).toBeFalsy()
    })

    test('is sent again until the refresh is settled, by whichever tab, however late', async () => {
      const client = await signedIn(options())
      world.weather = (path) => (path === '/auth/refresh' ? 'lost' : undefined)
      expect(isAuthError(await refusal(client.renew()), 'UNAVAILABLE')).toBe(true)
      client.close()
      await pass(3_600_000)
      world.weather = null
      const other = tab(options())
      expect((await settle(other.ready())).status).toBe('signed_in')
      const keys = world.book.filter((entry) => entry.path === '/auth/refresh').map((entry) => entry.key)
      expect(keys.length).toBeGreaterThan(1)
      expect(new Set(keys).size).toBe(1)
      expect(world.rows.get('s1')!.generation).toBe(2)
      await pass(60_000)
      await settle(other.renew())
      expect(ends).toEqual([])
    })

    test('is not dropped by the late answer of another refresh', async () => {
      const client = await signedIn(options())
      const late = tab(options())
      await settle(late.ready())
      page.locks.stuck = true
      world.faults.push(5000)
      const slow = late.renew().catch(() => {})
      await pass(1500)
      world.faults.push(undefined, 'unreachable', 'unreachable', 'unreachable', 'unreachable', 'unreachable')
      await settle(client.renew())
      await refusal(client.renew())
      const key = pending()
      await settle(slow)
      await pass(6000)
      expect(pending() ?? key).toBe(key)
    })
  })

  describe('4. a 401', () => {
    test.each([
      ['TOKEN_EXPIRED', 1],
      ['TOKEN_MISSING', 1],
      ['TOKEN_INVALID', 1],
      ['VALIDATION_FAILED', 0],
      ['API_KEY_INVALID', 0],
      ['STEP_UP_REQUIRED', 0],
      ['MFA_REQUIRED', 0],
      ['INVALID_CREDENTIALS', 0],
    ] as const)('%s causes %d renewals', async (code, renewals) => {
      const client = await signedIn(options())
      world.routes.set('/api/inbox', (_, nth) => (nth === 1 ? denial(code, 401) : null))
      expect(await get(client)).toBe(renewals ? 200 : 401)
      expect(world.count('/auth/refresh')).toBe(renewals)
      expect(world.count('/api/inbox')).toBe(1 + renewals)
    })

    test('is sent twice at most', async () => {
      const client = await signedIn(options())
      world.routes.set('/api/inbox', () => denial('TOKEN_EXPIRED', 401))
      expect(await get(client)).toBe(401)
      expect(world.count('/api/inbox')).toBe(2)
      expect(world.count('/auth/refresh')).toBe(1)
    })

    test('of a route that always says so is no storm of renewals', async () => {
      const client = await signedIn(options())
      world.routes.set('/api/inbox', () => denial('TOKEN_EXPIRED', 401))
      for (let i = 0; i < 20; i++) expect(await get(client)).toBe(401)
      expect(world.count('/auth/refresh')).toBeLessThan(3)
    })

    test.each([403, 500, 429])('%d is the caller’s', async (status) => {
      const client = await signedIn(options())
      world.routes.set('/api/inbox', () => new Response('no', { status }))
      expect(await get(client)).toBe(status)
      expect(world.book.map((entry) => entry.path)).toEqual(['/auth/login', '/api/inbox'])
    })

    test('of many parallel requests is one renewal, also for those that come after it', async () => {
      const client = await signedIn(options())
      world.routes.set('/api/inbox', (request) =>
        request.headers.get('Authorization') === stale ? denial('TOKEN_EXPIRED', 401) : null,
      )
      const stale = `Bearer ${await client.getToken()}`
      world.weather = (path) => (path === '/api/inbox' ? world.book.length * 40 : undefined)
      const all = await settle(Promise.all(Array.from({ length: 10 }, () => client.fetch('/api/inbox'))))
      expect(all.map((answer) => answer.status)).toEqual(Array(10).fill(200))
      expect(world.count('/auth/refresh')).toBe(1)
    })

    test('TOKEN_NOT_ACTIVE waits and sends the same token again', async () => {
      const client = await signedIn(options())
      world.routes.set('/api/inbox', (_, nth) =>
        nth === 1 ? denial('TOKEN_NOT_ACTIVE', 401, { 'Retry-After': '2' }) : null,
      )
      const started = performance.now()
      expect(await get(client)).toBe(200)
      expect(performance.now() - started).toBeGreaterThanOrEqual(2000)
      expect(world.count('/auth/refresh')).toBe(0)
    })

    test.each<[string, () => [string | Request, RequestInit?]]>([
      ['text', () => ['/api/inbox', { method: 'POST', body: 'precious' }]],
      [
        'a stream',
        () => [
          '/api/inbox',
          { method: 'POST', body: new Blob(['precious']).stream(), duplex: 'half' } as RequestInit,
        ],
      ],
      ['a Request', () => [new Request(`${origin}/api/inbox`, { method: 'POST', body: 'precious' })]],
      [
        'a Request and fields',
        () => [
          new Request(`${origin}/api/inbox`, { method: 'POST', body: 'precious' }),
          { headers: { 'X-Other': '1' } },
        ],
      ],
      [
        'a Request with a stream',
        () => [
          new Request(`${origin}/api/inbox`, {
            method: 'POST',
            body: new Blob(['precious']).stream(),
            duplex: 'half',
          } as RequestInit),
        ],
      ],
    ])('sends %s once more, unharmed', async (_, request) => {
      const client = await signedIn(options())
      world.routes.set('/api/inbox', (_, nth) => (nth === 1 ? denial('TOKEN_EXPIRED', 401) : null))
      const [input, init] = request()
      const answer = await settle(client.fetch(input, init))
      expect(((await answer.json()) as { body: string }).body).toBe('precious')
      const sent = world.book.filter((entry) => entry.path === '/api/inbox')
      expect(sent.map((entry) => [entry.method, entry.body])).toEqual([
        ['POST', 'precious'],
        ['POST', 'precious'],
      ])
    })

    test.each([
      ['a body without a code and no challenge', new Response('{"error":"nope"}', { status: 401 }), 200],
      [
        'a challenge of RFC 6750',
        new Response(null, { status: 401, headers: { 'WWW-Authenticate': 'Bearer error="invalid_token"' } }),
        200,
      ],
      [
        'Basic',
        new Response(null, { status: 401, headers: { 'WWW-Authenticate': 'Basic realm="printer"' } }),
        401,
      ],
      [
        'a code of the application',
        new Response('{"code":"WRONG_PIN"}', {
          status: 401,
          headers: { 'Content-Type': 'application/json' },
        }),
        401,
      ],
    ])('of another server, with %s, ends in %#', async (_, answer, status) => {
      const client = await signedIn(options())
      world.routes.set('/api/inbox', (_, nth) => (nth === 1 ? answer : null))
      expect(await get(client)).toBe(status)
    })

    test('of the routes to sign in by is never mended', async () => {
      const client = await signedIn(options())
      for (const path of ['/auth/login', '/auth/refresh', '/auth/logout'])
        expect(client.covers(path)).toBe(false)
      expect(client.covers('/auth/me')).toBe(true)
      const error = await refusal(client.login({ email: ada.email, password: 'wrong' }))
      expect(isAuthError(error, 'INVALID_CREDENTIALS') && error.recovery).toBe('ask_again')
      expect(client.isAuthenticated()).toBe(true)
      expect(world.count('/auth/refresh')).toBe(0)
      expect(await get(client)).toBe(200)
    })
  })

  describe('5. only a definite denial of the refresh ends a session', () => {
    const troubles: [string, () => Fault][] = [
      ['nobody answers', () => 'unreachable'],
      ['the answer is lost', () => 'lost'],
      ['no answer for a minute', () => 60_000],
      ['500', () => new Response('oops', { status: 500 })],
      ['502 of a proxy', () => new Response('<html>', { status: 502 })],
      ['503', () => denial('UNAVAILABLE', 503, { 'Retry-After': '1' })],
      ['429', () => denial('RATE_LIMITED', 429, { 'Retry-After': '1' })],
      ['403 of a firewall', () => new Response('<html>', { status: 403 })],
      [
        '401 of a proxy',
        () => new Response('', { status: 401, headers: { 'WWW-Authenticate': 'Basic realm="proxy"' } }),
      ],
      ['404', () => new Response('', { status: 404 })],
      [
        '200 of a captive portal',
        () => new Response('<html>please pay', { status: 200, headers: { 'Content-Type': 'text/html' } }),
      ],
      ['200 of something else', () => Response.json({ hello: 'world' })],
    ]
    test.each(troubles)('not: %s', async (_, fault) => {
      const client = await signedIn(options())
      page.document.hidden = true
      await pass(901_000)
      world.weather = (path) => (path === '/auth/refresh' ? fault() : undefined)
      const error = await refusal(client.fetch('/api/inbox'))
      expect(error).toMatchObject({ name: 'AuthError' })
      expect(world.count('/api/inbox')).toBe(0) // a token that is over is not sent
      expect(client.getSnapshot()).toMatchObject({
        status: 'signed_in',
        user: ada,
        error: { name: 'AuthError' },
      })
      world.weather = null
      expect(await get(client)).toBe(200)
      expect(client.getSnapshot().error).toBe(null)
      expect(ends).toEqual([])
    })

    test('a token that ends while its renewal is slow is waited for', async () => {
      const client = await signedIn(options())
      page.document.hidden = true
      await pass(899_000)
      world.weather = (path) => (path === '/auth/refresh' ? 4000 : undefined)
      expect(await get(client)).toBe(200)
      expect(world.count('/api/inbox')).toBe(1)
    })

    test('while the token is good, requests go on with it', async () => {
      const client = await signedIn(options())
      page.document.hidden = true
      await pass(700_000)
      world.weather = (path) => (path === '/auth/refresh' ? 'unreachable' : undefined)
      expect(await get(client)).toBe(200)
    })

    test('it is tried again in the background, and at once when the network is back', async () => {
      const client = await signedIn(options())
      world.weather = () => 'unreachable'
      await pass(1_000_000)
      expect(client.isAuthenticated()).toBe(true)
      world.weather = null
      page.page.dispatchEvent(new Event('online'))
      await pass(100)
      expect(client.expiresIn()).toBeGreaterThan(800)
    })

    test('at the start nobody is signed out for it either', async () => {
      ;(await signedIn(options())).close()
      world.weather = () => 'unreachable'
      const client = tab(options())
      const ready = client.ready()
      await pass(60_000)
      expect(client.getSnapshot()).toMatchObject({ status: 'loading', error: { code: 'UNAVAILABLE' } })
      expect(isAuthError(await refusal(client.fetch('/api/inbox')), 'UNAVAILABLE')).toBe(true)
      world.weather = null
      expect((await settle(ready)).status).toBe('signed_in')
    })

    test.each([
      'INVALID_REFRESH_TOKEN',
      'REFRESH_TOKEN_REUSED',
      'USER_INACTIVE',
      'ACCOUNT_SUSPENDED',
      'REFRESH_TOKEN_MISSING',
    ] as const)('but: %s', async (code) => {
      const client = await signedIn(options())
      const other = tab(options())
      await settle(other.ready())
      await pass(10)
      world.weather = (path) => (path === '/auth/refresh' ? denial(code, 403) : undefined)
      expect(isAuthError(await refusal(client.renew()), code)).toBe(true)
      await refusal(client.renew())
      await pass(100)
      for (const each of [client, other])
        expect(each.getSnapshot()).toMatchObject({ status: 'signed_out', user: null, end: { code } })
      expect(ends.map((end) => end.code)).toEqual([code, code]) // once in each tab
    })

    test('a revoked token is asked about: the session says why it ended', async () => {
      const client = await signedIn(options())
      world.suspended = true
      expect(await get(client)).toBe(401)
      expect(ends.map((end) => end.code)).toEqual(['ACCOUNT_SUSPENDED'])
      expect(world.count('/api/inbox')).toBe(1)
    })
  })

  describe('6. signing in and out', () => {
    test('in one tab is signing in and out in all', async () => {
      const [one, two] = [tab(options()), tab(options())]
      expect((await settle(one.ready())).status).toBe('signed_out')
      expect((await settle(two.ready())).status).toBe('signed_out')
      await settle(one.login({ email: ada.email, password }))
      await pass(10)
      expect(two.getSnapshot()).toMatchObject({ status: 'signed_in', user: ada })
      expect(await get(two)).toBe(200)
      await settle(two.logout())
      await pass(10)
      expect(one.getSnapshot()).toMatchObject({ status: 'signed_out', end: { code: 'SIGNED_OUT' } })
      expect(ends.map((end) => end.code)).toEqual(['SIGNED_OUT', 'SIGNED_OUT'])
      expect(world.count('/auth/refresh')).toBe(transport === 'cookie' ? 2 : 0) // nobody had a token
    })

    test('signing out while a renewal is under way leaves nobody signed in', async () => {
      const client = await signedIn(options())
      world.faults.push(3000)
      const renewal = client.renew()
      await pass(100)
      await settle(client.logout())
      await settle(renewal.catch(() => {}))
      await pass(10_000)
      expect(client.getSnapshot().status).toBe('signed_out')
      const next = tab(options())
      expect((await settle(next.ready())).status).toBe('signed_out')
    })

    test('signing out without a network is kept until the server has been told', async () => {
      const client = await signedIn(options())
      world.weather = () => 'unreachable'
      expect(isAuthError(await refusal(client.logout()), 'UNAVAILABLE')).toBe(true)
      expect(client.getSnapshot().status).toBe('signed_out')
      client.close()
      const reloaded = tab(options())
      expect((await settle(reloaded.ready())).status).toBe('signed_out')
      world.weather = null
      page.page.dispatchEvent(new Event('online'))
      await pass(100)
      expect(world.rows.get('s1')!.ended).toBeTruthy()
      await settle(reloaded.login({ email: ada.email, password }))
      await pass(5000)
      page.page.dispatchEvent(new Event('focus'))
      await pass(5000)
      expect(await get(reloaded)).toBe(200)
    })

    test('a renewal that is answered after another sign-in is not taken', async () => {
      const client = await signedIn(options())
      world.faults.push(3000)
      const renewal = client.renew().catch(() => {})
      await pass(100)
      await settle(client.login({ email: ada.email, password }))
      await settle(renewal)
      await pass(5000)
      const { sid } = (await (await settle(client.fetch('/api/inbox'))).json()) as { sid: string }
      expect(sid).not.toBe('s1')
      await settle(client.renew())
      expect(await get(client)).toBe(200)
    })
  })

  describe('7. the token goes only where it is meant for', () => {
    test.each([
      ['/api/inbox', true],
      [`${origin}/api`, true],
      ['https://api.example/x', true],
      ['https://auth.example/auth/me', true],
      ['https://auth.example/auth/refresh', false],
      ['https://evil.example/', false],
      ['http://app.example/', false],
      ['https://app.example:8443/', false],
      ['https://api.example.evil.example/', false],
      ['//evil.example/', false],
      ['data:text/plain,x', false],
      ['blob:https://app.example/1', false],
    ])('%s: %s', async (url, covered) => {
      const client = tab({ ...options(), server: 'https://auth.example/', origins: ['https://api.example'] })
      expect(client.covers(url)).toBe(covered && !url.startsWith('blob:'))
    })

    test('nothing is added to a request of another origin, nor to one with credentials of its own', async () => {
      const client = await signedIn(options())
      world.routes.set('/x', () => new Response('ok'))
      await get(client, 'https://evil.example/x')
      await get(client, '/x', { headers: { Authorization: 'Basic abc' } })
      expect(world.book.slice(-2).map((entry) => entry.authorization)).toEqual([null, 'Basic abc'])
    })
  })

  describe('8. when a session ends', () => {
    test('the sign-in page is told the way back, and leads only to this origin', async () => {
      const client = tab(options())
      client.redirectToLogin()
      client.redirectToLogin('https://evil.example/')
      expect(page.assigned).toEqual(['/login?return=%2Finbox%3Fpage%3D2%23top', '/login'])
      vi.stubGlobal('location', new URL(`${origin}/login?return=%2Finbox`))
      expect(client.returnURL()).toBe('/inbox')
      vi.stubGlobal('location', new URL(`${origin}/login?return=%2F%2Fevil.example`))
      expect(client.returnURL('/home')).toBe('/home')
      client.redirectToLogin() // it is there already
    })

    test('every tab is told why, and so is a page that is opened afterwards', async () => {
      const why = { ended: 'password', endedBy: 'user', endedAt: '2026-11-23T12:00:00Z' }
      const client = await signedIn(options())
      const other = tab(options())
      await settle(other.ready())
      world.weather = (path) =>
        path === '/auth/refresh' ? denial('INVALID_REFRESH_TOKEN', 403, {}, why) : undefined
      await pass(10) // the message of the other tab has come
      await refusal(client.renew())
      await pass(1000)
      expect(ends.length).toBe(2)
      for (const { error } of ends) expect(error?.problem).toMatchObject(why)
      if (transport === 'bearer') return // its record is gone with the session
      const later = tab(options())
      expect((await settle(later.ready())).end?.error?.problem).toMatchObject(why)
    })

    test('whoever was signed in by nobody is not told', async () => {
      const client = tab(options())
      expect((await settle(client.ready())).status).toBe('signed_out')
      expect(ends).toEqual([])
      expect(await get(client)).toBe(401) // and a request goes out without a token
      expect(world.count('/api/inbox')).toBe(1)
    })
  })

  test('a caller that gives up does not disturb the others', async () => {
    const client = await signedIn(options())
    await pass(901_000)
    await pass(5_000)
    page.document.hidden = true
    await pass(901_000)
    world.faults.push(1000)
    const impatient = new AbortController()
    const one = client.fetch('/api/inbox', { signal: impatient.signal }).catch((error: unknown) => error)
    const two = client.fetch('/api/inbox')
    await pass(10)
    impatient.abort()
    expect(await settle(one)).toMatchObject({ name: 'AbortError' })
    expect((await settle(two)).status).toBe(200)
  })

  test('no event, error or snapshot holds a token', async () => {
    const client = await signedIn(options())
    world.routes.set('/api/inbox', (_, nth) => (nth === 1 ? denial('TOKEN_EXPIRED', 401) : null))
    await get(client)
    await settle(client.renew())
    const secrets = world.book
      .flatMap((entry) => [entry.authorization?.slice(7), entry.refreshToken, entry.key])
      .filter((each) => !!each)
    expect(secrets.length).toBeGreaterThan(3)
    const told = JSON.stringify([events, client.getSnapshot()])
    for (const secret of secrets) expect(told).not.toContain(secret)
  })
})

test('a key that was used once more, and dropped by who used it first, is kept until that is answered', async () => {
  const client = await signedIn()
  // Another tab has stored the answer to a refresh with this key, and drops the key a moment later.
  page.cookies.set('doorward-attempt', 'used-once')
  world.weather = (path) => {
    if (path === '/auth/refresh') page.cookies.delete('doorward-attempt')
    return path === '/auth/refresh' ? 'lost' : undefined
  }
  await refusal(client.renew())
  expect(page.cookies.get('doorward-attempt')).toBe('used-once')
  world.weather = null
  await pass(60_000)
  await settle(client.renew())
  expect(ends).toEqual([])
  expect(world.rows.get('s1')!.generation).toBe(2)
})
