import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { type Grant, type TestServer, testServer } from '../../test/server.ts'
import { type ServerAuth, type ServerSession, createServerAuth } from '../src/server.ts'

const server = testServer()

/** A browser: its cookies, and its page's client as far as renders meet it. */
class Browser {
  readonly grant: Grant
  readonly #server: TestServer
  token: string
  key: string | undefined
  left = false
  #keys = 0

  constructor(server: TestServer, grant: Grant) {
    this.#server = server
    this.grant = grant
    this.token = grant.refreshToken
  }

  /** A request for a page, with the cookies of now. */
  request(): Request {
    const cookies = ['theme=dark', `__Host-Http-doorward=${this.token}`]
    if (this.key) cookies.push(`doorward-attempt=${this.key}`)
    if (this.left) cookies.push('doorward-left=1')
    return new Request('http://app.example/', { headers: { Cookie: cookies.join('; ') } })
  }

  /** An answer arrives. */
  receive(session: ServerSession): void {
    const headers = new Headers()
    session.apply(headers)
    for (const each of headers.getSetCookie()) {
      const [pair] = each.split(';')
      expect(each).toMatch(
        /^__Host-Http-doorward=[^;]+; Path=\/; Max-Age=\d+; HttpOnly; Secure; SameSite=Strict$/,
      )
      this.token = pair!.slice(pair!.indexOf('=') + 1)
    }
  }

  /** The page asks for a refresh, its key saved before; what it returns takes the answer. */
  async refresh(): Promise<() => void> {
    this.key ??= `page-${++this.#keys}`
    const { key } = this
    const { status, grant, code } = await this.#server.refresh(this.token, key)
    expect([status, code]).toEqual([200, undefined])
    return () => {
      this.token = grant.refreshToken
      if (this.key === key) this.key = undefined
    }
  }
}

const browser = async () => new Browser(server, await server.signIn())
const program = () => createServerAuth({ server: server.url })
const render = async (auth: ServerAuth, b: Browser) => {
  const session = await auth.session(b.request())
  expect(session).toMatchObject({ status: 'signed_in', end: null, error: null })
  return session
}

function permutations<T>(items: T[]): T[][] {
  if (items.length < 2) return [items]
  return items.flatMap((item, i) => permutations(items.toSpliced(i, 1)).map((rest) => [item, ...rest]))
}

describe('the session', () => {
  test('is the one of the cookie', async () => {
    const b = await browser()
    const session = await program().session(b.request())
    expect(session).toMatchObject({ status: 'signed_in', user: b.grant.user, end: null, error: null })
    expect(session.expiresIn).toBeGreaterThan(890)
    expect(session.expiresIn).toBeLessThanOrEqual(900)
    const { user, accessToken, expiresIn } = session
    expect(session.initial).toEqual({ user, accessToken, expiresIn })
    const headers = new Headers({ 'Cache-Control': 'public, max-age=60', 'Set-Cookie': 'theme=dark' })
    session.apply(headers)
    expect(headers.get('Cache-Control')).toBe('private, no-store')
    expect(headers.getSetCookie()).toEqual(['theme=dark', ...session.setCookies])
    expect(session.setCookies).toHaveLength(1)
  })

  test('is nobody’s without a cookie, and nobody is asked', async () => {
    const auth = createServerAuth({ server: 'http://127.0.0.1:1' })
    for (const Cookie of [
      '',
      'theme=dark',
      '__Host-Http-doorward=',
      'doorward-attempt=k; x__Host-Http-doorward=dwr_x',
    ]) {
      const session = await auth.session({ headers: new Headers({ Cookie }) })
      expect(session).toMatchObject({
        status: 'signed_out',
        user: null,
        accessToken: null,
        expiresIn: 0,
        initial: null,
        end: null,
      })
    }
  })

  test('is over for who signed out, though the server was not told yet', async () => {
    const b = await browser()
    b.left = true
    const session = await createServerAuth({ server: 'http://127.0.0.1:1' }).session(b.request())
    expect(session).toMatchObject({ status: 'signed_out', initial: null })
  })

  test('is over for a denial, which says why', async () => {
    const b = await browser()
    await server.post('/auth/logout', { refreshToken: b.token })
    const session = await program().session(b.request())
    expect(session).toMatchObject({ status: 'signed_out', user: null, setCookies: [], error: null })
    expect(session.end).toMatchObject({ code: 'INVALID_REFRESH_TOKEN', status: 403 })
    expect(session.end!.denial).toMatch(/^dn_/)
  })

  test('belongs to one browser only', async () => {
    const auth = program()
    const both = await Promise.all([browser(), browser()])
    const sessions = await Promise.all([...both, ...both].map((b) => render(auth, b)))
    expect(sessions.map((s) => s.user!.id)).toEqual([...both, ...both].map((b) => b.grant.user.id))
    for (const s of sessions)
      expect((await s.fetch('/auth/me').then((r) => r.json())).user.id).toBe(s.user!.id)
  })
})

// What reaches the browser in which order, and who asks 40 s later.
describe('a browser is never signed out', () => {
  type Case = { name: string; run: (b: Browser, order: number[]) => Promise<void>; orders: number[][] }
  const two = permutations([0, 1])
  const cases: Case[] = [
    {
      name: 'ten renders at once in one program',
      orders: [[0]],
      async run(b) {
        const auth = program()
        const sessions = await Promise.all(Array.from({ length: 10 }, () => render(auth, b)))
        expect(new Set(sessions.map((s) => s.setCookies[0])).size).toBe(1)
        expect(new Set(sessions.map((s) => s.accessToken)).size).toBe(1)
        b.receive(sessions[0]!)
      },
    },
    {
      name: 'ten renders at once in ten programs',
      orders: [[0]],
      async run(b) {
        const sessions = await Promise.all(Array.from({ length: 10 }, () => render(program(), b)))
        // One successor, so that the order of the answers is all the same.
        expect(new Set(sessions.map((s) => s.setCookies[0]!.replace(/Max-Age=\d+/, ''))).size).toBe(1)
        b.receive(sessions[0]!)
      },
    },
    {
      name: 'the answer to a render is lost',
      orders: [[0]],
      run: async (b) => void (await render(program(), b)),
    },
    {
      name: 'the answers to three renders in three programs are lost, a minute apart',
      orders: [[0]],
      async run(b) {
        for (let i = 0; i < 3; i++) {
          await render(program(), b)
          await server.advance(60)
        }
      },
    },
    {
      name: 'a restored browser: a lost answer, then three renders at once in three programs',
      orders: permutations([0, 1, 2]),
      async run(b, order) {
        await render(program(), b)
        await server.advance(3600)
        const sessions = await Promise.all([0, 1, 2].map(() => render(program(), b)))
        for (const i of order) b.receive(sessions[i]!)
      },
    },
    {
      name: 'the page refreshes, and renders see its key',
      orders: permutations([0, 1, 2]),
      async run(b, order) {
        b.key = 'page'
        const answers = [await b.refresh()]
        for (const session of await Promise.all([render(program(), b), render(program(), b)])) {
          answers.push(() => b.receive(session))
        }
        for (const i of order) answers[i]!()
        const { grant } = await server.refresh(b.grant.refreshToken, 'page')
        expect(b.token).toBe(grant.refreshToken)
      },
    },
    {
      name: 'the page’s answer is lost, and a render an hour later repeats it',
      orders: [[0]],
      async run(b) {
        await b.refresh()
        await server.advance(3600)
        b.receive(await render(program(), b))
      },
    },
    {
      name: 'a render is under way when the page picks its key; the render comes first',
      orders: two,
      async run(b, order) {
        const session = await render(program(), b)
        const page = await b.refresh()
        const answers = [() => b.receive(session), page]
        for (const i of order) answers[i]!()
      },
    },
    {
      name: 'a render is under way when the page picks its key; the page comes first',
      orders: two,
      async run(b, order) {
        const request = b.request()
        const page = await b.refresh()
        const session = await program().session(request)
        const answers = [() => b.receive(session), page]
        for (const i of order) answers[i]!()
      },
    },
    {
      name: 'a slow answer overwrites the token of the render after it',
      orders: two,
      async run(b, order) {
        const slow = await render(program(), b)
        b.receive(slow)
        const next = await render(program(), b)
        for (const i of order) b.receive([slow, next][i]!)
      },
    },
    {
      name: 'a program whose pages cannot set cookies',
      orders: [[0]],
      async run(b) {
        const auth = program()
        for (let i = 0; i < 5; i++) {
          await render(auth, b)
          await server.advance(20)
        }
      },
    },
  ]
  const later = {
    'the page': async (b: Browser) => (await b.refresh())(),
    'another program': async (b: Browser) => b.receive(await render(program(), b)),
  }
  for (const { name, run, orders } of cases) {
    for (const order of orders) {
      test.each(Object.entries(later))(`${name} (${order}), then %s`, async (_, ask) => {
        const b = await browser()
        await run(b, order)
        await server.advance(40)
        await ask(b)
        await server.advance(40)
        await ask(b)
        await later['the page'](b)
      })
    }
  }
})

describe('one program', () => {
  const counting = () => {
    const asked: string[] = []
    const auth = createServerAuth({
      server: server.url,
      fetch: (input, init) => {
        asked.push(String(input))
        return fetch(input, init)
      },
    })
    return { auth, asked }
  }

  test('asks once for the renders that follow, with the old cookie and with the new', async () => {
    const { auth, asked } = counting()
    const b = await browser()
    const first = await render(auth, b)
    const old = await render(auth, b)
    b.receive(first)
    const next = await render(auth, b)
    expect(asked).toHaveLength(1)
    expect(old.setCookies).toEqual(first.setCookies)
    expect(next.setCookies).toEqual([]) // the browser has it
    expect(next.expiresIn).toBeLessThan(first.expiresIn)
  })

  test('asks anew once the token was refused', async () => {
    const { auth } = counting()
    const b = await browser()
    const session = await render(auth, b)
    await server.post('/auth/logout', { refreshToken: b.token })
    expect((await session.fetch('/api/echo')).status).toBe(401)
    expect(await auth.session(b.request())).toMatchObject({ status: 'signed_out' })
  })

  test('anew also for the cookie that came with it', async () => {
    const { auth, asked } = counting()
    const b = await browser()
    const session = await render(auth, b)
    b.receive(session)
    const renewed = await server.refresh(b.token)
    await server.post('/auth/logout', { refreshToken: renewed.grant.refreshToken })
    expect((await session.fetch('/api/echo')).status).toBe(401)
    expect(await auth.session(b.request())).toMatchObject({ status: 'signed_out' })
    expect(asked.filter((url) => url.endsWith('/auth/refresh'))).toHaveLength(2)
  })

  test.each([
    ['without a key sets no cookie', undefined, 0],
    ['with the page’s key does', 'page', 1],
  ])('a late answer to a refresh %s', async (_, key, cookies) => {
    vi.useFakeTimers({ toFake: ['performance'] })
    const b = await browser()
    b.key = key
    const session = await render(program(), b)
    vi.advanceTimersByTime(6000)
    const headers = new Headers()
    session.apply(headers)
    expect(headers.getSetCookie()).toHaveLength(cookies)
    expect(headers.get('Cache-Control')).toBe('private, no-store')
    await server.advance(3600)
    b.receive(await render(program(), b))
  })
})

describe('fetch of a session', () => {
  test('sends the token to the server', async () => {
    const session = await render(program(), await browser())
    const posted = await session.fetch('/api/echo', { method: 'POST', body: 'as it is' })
    expect(await posted.json()).toEqual({
      method: 'POST',
      contentType: 'text/plain;charset=UTF-8',
      body: 'as it is',
    })
    const request = new Request(`${server.url}/api/echo`, { method: 'PUT', body: 'of a request' })
    expect(await (await session.fetch(request)).json()).toMatchObject({ method: 'PUT', body: 'of a request' })
    const seen: unknown[] = []
    const recording: typeof fetch = (input, init) => {
      if (input !== foreign) return fetch(input, init)
      seen.push(input, new Headers(init?.headers).get('Authorization'))
      return Promise.resolve(new Response())
    }
    // As another realm has them: no instance of ours.
    const foreign = Object.create(null, {
      url: { value: `${server.url}/api/echo` },
      headers: { value: new Headers() },
    }) as Request
    const recorder = createServerAuth({ server: server.url, fetch: recording })
    const theirs = await render(recorder, await browser())
    await theirs.fetch(foreign)
    expect(seen[0] === foreign && seen[1]).toBe(`Bearer ${theirs.accessToken}`)
    const own = await session.fetch('/api/echo', { headers: { Authorization: 'Bearer of.my.own' } })
    expect(own.status).toBe(401)
  })

  test('sends it to no other origin, unless it is named', async () => {
    const elsewhere = await listen((request, response) =>
      response.end(request.headers.authorization ?? 'none'),
    )
    const b = await browser()
    const session = await render(program(), b)
    expect(await (await session.fetch(elsewhere)).text()).toBe('none')
    b.receive(session)
    const named = await render(createServerAuth({ server: server.url, origins: [elsewhere] }), b)
    expect(await (await named.fetch(elsewhere)).text()).toBe(`Bearer ${named.accessToken}`)
  })

  test('sends without one for nobody', async () => {
    const session = await program().session(new Request('http://app.example/'))
    const response = await session.fetch('/api/echo')
    expect((await response.json()).code).toBe('TOKEN_MISSING')
  })
})

describe('a session is unknown, and nobody signed out,', () => {
  const faults: Record<string, RequestListener> = {
    'where the server fails': (_, response) => void response.writeHead(500).end('oops'),
    'where it is overloaded': (_, response) => void response.writeHead(503, { 'Retry-After': '3' }).end(),
    'where it limits': (_, response) => void response.writeHead(429).end(),
    'where a gateway forbids': (_, response) =>
      void response.writeHead(403, { 'Content-Type': 'text/html' }).end('<p>no'),
    'where a gateway refuses': (_, response) =>
      void response.writeHead(401, { 'WWW-Authenticate': 'Bearer error="invalid_token"' }).end(),
    'where a page answers': (_, response) =>
      void response.writeHead(200, { 'Content-Type': 'text/html' }).end('<p>hi'),
    'where the answer is no grant': (_, response) => void response.writeHead(200).end('{"accessToken":"x"}'),
    'where it refuses for the origin': (_, response) =>
      void response
        .writeHead(403, { 'Content-Type': 'application/problem+json' })
        .end('{"code":"CROSS_ORIGIN"}'),
    'where it hangs up': (request) => void request.destroy(),
    'where it does not answer in time': () => {},
  }
  test.each(Object.entries(faults))('%s', async (_, listener) => {
    const auth = createServerAuth({ server: await listen(listener), timeout: 0.1 })
    const b = new Browser(server, { refreshToken: 'dwr_x' } as Grant)
    const session = await auth.session(b.request())
    expect(session).toMatchObject({
      status: 'unknown',
      user: null,
      initial: undefined,
      end: null,
      setCookies: [],
    })
    expect(session.error).toBeInstanceOf(Error)
    expect(
      JSON.stringify([session.error, String(session.error), String(session.error!.cause)]),
    ).not.toContain('dwr_')
    await expect(session.fetch('/api/echo')).rejects.toBe(session.error)
  })

  test('where it redirects, and the cookie goes no further', async () => {
    let reached = false
    const target = await listen((_, response) => {
      reached = true
      response.end()
    })
    const auth = createServerAuth({
      server: await listen((_, response) => response.writeHead(307, { Location: target }).end()),
    })
    const session = await auth.session(new Browser(server, { refreshToken: 'dwr_x' } as Grant).request())
    expect([session.status, reached]).toEqual(['unknown', false])
  })

  test('and it is asked again', async () => {
    let broken = true
    const auth = createServerAuth({
      server: server.url,
      fetch: (input, init) => (broken ? Promise.reject(new TypeError('no network')) : fetch(input, init)),
    })
    const b = await browser()
    expect((await auth.session(b.request())).status).toBe('unknown')
    broken = false
    await render(auth, b)
  })
})

test('what is remembered is bounded', async () => {
  let asked = 0
  const url = await listen((_, response) => {
    asked++
    response.setHeader('Set-Cookie', [`other=1`, `__Host-Http-doorward=next${asked}; Path=/`])
    response.end(JSON.stringify({ accessToken: 'a', expiresIn: 900, user: { id: '1', email: '', name: '' } }))
  })
  const auth = createServerAuth({ server: url })
  const ask = (token: string) =>
    auth.session({ headers: new Headers({ Cookie: `__Host-Http-doorward=${token}` }) })
  expect((await ask('first')).setCookies).toEqual(['__Host-Http-doorward=next1; Path=/'])
  for (let i = 0; i < 500; i++) await ask(`token${i}`)
  expect(asked).toBe(501)
  await ask('token499')
  expect(asked).toBe(501)
  await ask('first')
  expect(asked).toBe(502)
})

const running: { close(): unknown; closeAllConnections(): void }[] = []

async function listen(listener: RequestListener): Promise<string> {
  const http = createServer(listener)
  running.push(http)
  await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve))
  return `http://127.0.0.1:${(http.address() as AddressInfo).port}`
}

afterEach(() => {
  vi.useRealTimers()
  for (const http of running.splice(0)) {
    http.close()
    http.closeAllConnections()
  }
})
