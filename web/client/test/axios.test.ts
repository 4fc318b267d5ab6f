import { createServer } from 'node:http'
import { Readable } from 'node:stream'
import type { AddressInfo } from 'node:net'
import axios, { type AxiosError, type AxiosInstance, type AxiosRequestConfig } from 'axios'
import { createAuthRefresh } from 'axios-auth-refresh'
import { afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { password, testServer } from '../../test/server.ts'
import { attachAuth } from '../src/axios.ts'
import { type AuthClient, type AuthEvent, AuthError, createAuthClient } from '../src/index.ts'

const server = testServer()

let auth: AuthClient
let events: AuthEvent[]
let gate: ((path: string) => Promise<void> | undefined) | undefined

/** What a client asks the server itself. */
const renewals = () => events.filter((event) => event.type === 'renewing').length

let email = ''

beforeAll(async () => {
  email = await server.signUp()
})

beforeEach(async () => {
  events = []
  gate = undefined
  auth = createAuthClient({
    server: server.url,
    transport: 'bearer',
    onEvent: (event) => events.push(event),
    async fetch(input, init) {
      await gate?.(String(input))
      return fetch(input, init)
    },
  })
  await auth.login({ email, password })
})

afterEach(() => auth.close())

/** The access token is over for the server; the client has not noticed. */
const expire = () => server.advance(15 * 60 + 31)

/** An instance that counts what its adapter sends. */
function instanceOf(config: AxiosRequestConfig = {}): { api: AxiosInstance; sent: AxiosRequestConfig[] } {
  const sent: AxiosRequestConfig[] = []
  const send = axios.getAdapter(config.adapter ?? axios.defaults.adapter)
  const api = axios.create({
    baseURL: server.url,
    ...config,
    adapter(request) {
      sent.push(request)
      return send(request)
    },
  })
  return { api, sent }
}

const rejected = (call: Promise<unknown>): Promise<AxiosError & { cause?: AuthError }> =>
  call.then(
    () => expect.unreachable('it was answered'),
    (error) => error,
  )

describe.each(['http', 'fetch'] as const)('with the %s adapter', (adapter) => {
  const attached = (config: AxiosRequestConfig = {}) => {
    const made = instanceOf({ adapter, ...config })
    attachAuth(made.api, auth)
    return made
  }

  test('requests get the token', async () => {
    const { api, sent } = attached()
    expect((await api.get('/api/echo')).data.method).toBe('GET')
    expect((await api.get('api/echo', { params: { a: 1 } })).status).toBe(200)
    expect((await api.get(`${server.url}/api/echo`, { baseURL: '' })).status).toBe(200)
    expect(sent).toHaveLength(3)
  })

  const json = { a: [1, 'ü', null] }
  const form = () => {
    const data = new FormData()
    data.set('name', 'Ada')
    data.set('file', new Blob(['punched cards']), 'cards.txt')
    return data
  }
  test.each<[string, () => unknown, string | RegExp, string]>([
    ['an object', () => json, JSON.stringify(json), 'application/json'],
    ['a string', () => 'as it is', 'as it is', 'application/x-www-form-urlencoded'],
    [
      'URLSearchParams',
      () => new URLSearchParams({ q: 'a b' }),
      'q=a+b',
      'application/x-www-form-urlencoded;charset=utf-8',
    ],
    ['a form', form, /name="name"\r\n\r\nAda\r\n.*filename="cards.txt".*punched cards/s, ''],
    ['a Blob', () => new Blob(['of bytes'], { type: 'text/x-cards' }), 'of bytes', ''],
    ['bytes', () => new TextEncoder().encode('of bytes'), 'of bytes', ''],
    ['nothing', () => undefined, '', ''],
  ])('a 401 is mended, and %s is sent again as it was', async (_, body, arrives, type) => {
    const { api, sent } = attached()
    let transformed = 0
    api.defaults.transformRequest = [
      ...(axios.defaults.transformRequest as []),
      (data) => {
        transformed++
        return data
      },
    ]
    await expire()
    const { data, status } = await api.post('/api/echo', body())
    expect(status).toBe(200)
    if (typeof arrives === 'string') expect(data.body).toBe(arrives)
    else expect(data.body).toMatch(arrives)
    expect(data.contentType).toContain(type)
    expect([sent.length, transformed, renewals()]).toEqual([2, 1, 1])
  })

  test.each(['text', 'arraybuffer', 'stream', 'blob'] as const)(
    'a 401 is mended where the answer is read as %s',
    async (responseType) => {
      const { api, sent } = attached({ responseType })
      await expire()
      const { status, data } = await api.get('/api/echo')
      expect([status, sent.length]).toEqual([200, 2])
      const text = await new Response(
        responseType === 'stream' && adapter === 'http' ? (Readable.toWeb(data) as ReadableStream) : data,
      ).text()
      expect(JSON.parse(text).method).toBe('GET')
    },
  )

  test('a stream is sent once, and its 401 is the caller’s', async () => {
    const { api, sent } = attached()
    const stream = () =>
      adapter === 'http' ? Readable.from(['punched ', 'cards']) : new Blob(['punched cards']).stream()
    expect((await api.post('/api/echo', stream())).data.body).toBe('punched cards')
    await expire()
    const error = await rejected(api.post('/api/echo', stream()))
    expect([error.response!.status, sent.length]).toEqual([401, 2])
    expect(error.cause).toMatchObject({ code: 'TOKEN_EXPIRED', recovery: 'renew' })
  })

  test('progress is told', async () => {
    const { api } = attached()
    const seen: number[] = []
    await expire()
    await api.post('/api/echo', 'x'.repeat(10_000), { onUploadProgress: ({ loaded }) => seen.push(loaded) })
    expect(seen.at(-1)).toBe(10_000)
  })

  test('a refusal is an AxiosError that says why', async () => {
    const { api, sent } = attached()
    const error = await rejected(api.get('/api/scoped'))
    expect(axios.isAxiosError(error)).toBe(true)
    expect(error).toMatchObject({ code: 'ERR_BAD_REQUEST', response: { status: 403 } })
    expect(error.cause).toBeInstanceOf(AuthError)
    expect(error.cause).toMatchObject({
      code: 'INSUFFICIENT_SCOPE',
      status: 403,
      recovery: 'none',
      scope: 'nobody:has',
    })
    expect(error.cause!.denial).toMatch(/^dn_/)
    expect((error.response!.data as { code: string }).code).toBe('INSUFFICIENT_SCOPE')
    expect([sent.length, renewals()]).toEqual([1, 0])
  })

  test('a refusal says why whatever the answer is read as', async () => {
    for (const responseType of ['arraybuffer', 'blob', 'text'] as const) {
      const error = await rejected(attached({ responseType }).api.get('/api/scoped'))
      expect(error.cause).toMatchObject({ code: 'INSUFFICIENT_SCOPE' })
    }
    const error = await rejected(attached({ responseType: 'stream' }).api.get('/api/scoped'))
    expect(error.cause).toMatchObject({ code: 'INSUFFICIENT_SCOPE' }) // by the challenge
  })

  test.each(['signal', 'token'])(
    'a request that is cancelled by a %s does not wait for a renewal',
    async (by) => {
      let release = () => {}
      gate = (url) =>
        url.endsWith('/auth/refresh') ? new Promise((resolve) => (release = resolve)) : undefined
      const { api, sent } = attached()
      await expire()
      const controller = new AbortController()
      const source = axios.CancelToken.source()
      const call = rejected(api.get('/api/echo', { signal: controller.signal, cancelToken: source.token }))
      await expect.poll(renewals).toBe(1)
      if (by === 'signal') controller.abort()
      else source.cancel()
      expect(axios.isCancel(await call)).toBe(true)
      release()
      await expect.poll(() => events.at(-1)).toMatchObject({ type: 'renewed' })
      expect((await api.get('/api/echo')).status).toBe(200)
      expect([sent.length, renewals()]).toEqual([2, 1])
    },
  )
})

test('one refresh mends thirty 401s', async () => {
  const { api, sent } = instanceOf()
  attachAuth(api, auth)
  await expire()
  const answers = await Promise.all(Array.from({ length: 30 }, () => api.get('/api/echo')))
  expect(answers.every(({ status }) => status === 200)).toBe(true)
  expect([sent.length, renewals()]).toEqual([60, 1])
})

test('a token that is due is renewed before', async () => {
  const kept = new Map<string, string>()
  const storage = {
    getItem: (key: string) => kept.get(key) ?? null,
    setItem: (key: string, value: string) => void kept.set(key, value),
    removeItem: (key: string) => void kept.delete(key),
  }
  const before = createAuthClient({ server: server.url, transport: 'bearer', storage })
  const user = await before.login({ email, password })
  const old = await before.getToken()
  before.close()
  const initial = { user, accessToken: old, expiresIn: 0 }
  const after = createAuthClient({ server: server.url, transport: 'bearer', storage, initial })
  const { api, sent } = instanceOf()
  attachAuth(api, after)
  await api.get('/api/echo')
  expect(sent.map(({ headers }) => headers!.Authorization)).toEqual([`Bearer ${await after.getToken()}`])
  expect(await after.getToken()).not.toBe(old)
  after.close()
})

test('a second 401 is the caller’s, and there is no third send', async () => {
  let asked = 0
  const url = await listen(() => {
    asked++
    return 401
  })
  const other = createAuthClient({
    server: server.url,
    origins: [url],
    transport: 'bearer',
    onEvent: (event) => events.push(event),
  })
  await other.login({ email, password })
  const api = axios.create({ baseURL: url })
  attachAuth(api, other)
  const error = await rejected(api.get('/'))
  expect([asked, error.response!.status, renewals()]).toEqual([2, 401, 1])
  other.close()
})

test('a 401 is mended that the program takes for a success', async () => {
  const { api, sent } = instanceOf({ validateStatus: () => true })
  attachAuth(api, auth)
  await expire()
  expect((await api.get('/api/echo')).status).toBe(200)
  expect(sent).toHaveLength(2)
  const { status, data } = await api.get('/api/scoped')
  expect([status, data.code]).toEqual([403, 'INSUFFICIENT_SCOPE'])
})

test('the token goes nowhere else', async () => {
  const seen: (string | undefined)[] = []
  const url = await listen((authorization) => {
    seen.push(authorization)
    return 401
  })
  const { api } = instanceOf()
  attachAuth(api, auth)
  const error = await rejected(api.get(url))
  expect(error.cause).toBeUndefined()
  await rejected(api.get('/', { baseURL: url }))
  // Here the absolute URL is a path below baseURL.
  await rejected(api.get(`${server.url}/api/echo`, { baseURL: url, allowAbsoluteUrls: false }))
  await rejected(api.get(`//${url.slice('http://'.length)}/`, { baseURL: server.url }))
  expect(seen.every((authorization) => authorization === undefined)).toBe(true)
  expect([seen.length >= 3, renewals()]).toEqual([true, 0])
})

test('the token does not follow a redirect, not even to a subdomain', async () => {
  const seen: (string | undefined)[] = []
  const http = createServer((request, response) => {
    const { host, authorization } = request.headers
    const way = request.url!.slice(1)
    if (way) return void response.writeHead(302, { Location: `http://${way}.${host}/` }).end()
    seen.push(authorization)
    response.end()
  })
  running.push(http)
  await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve))
  const { port } = http.address() as AddressInfo
  const origins = [`http://localhost:${port}`]
  const other = createAuthClient({ server: server.url, origins, transport: 'bearer' })
  await other.login({ email, password })
  const api = axios.create({ adapter: 'http', lookup: (_, __, found) => found(null, '127.0.0.1', 4) })
  attachAuth(api, other)
  for (const way of ['', 'sub']) await api.get(`http://localhost:${port}/${way}`)
  expect(seen).toEqual([`Bearer ${await other.getToken()}`, undefined])
  other.close()
})

test('nor where the adapter follows it without a care for that', async () => {
  const { api, sent } = instanceOf()
  attachAuth(api, auth)
  const asked: unknown[] = []
  const beforeRedirect = (...args: unknown[]) => asked.push(args)
  await api.get('/api/echo', { beforeRedirect })
  const { port } = new URL(server.url)
  const rest = [
    { headers: {}, statusCode: 302 },
    { headers: {}, url: server.url, method: 'GET' },
  ] as const
  const follow = (href: string) => {
    const options = { href, headers: { authorization: 'Bearer t', Authorization: 'Bearer t', Accept: '*/*' } }
    sent[0]!.beforeRedirect!(options, ...(rest as unknown as [never, never]))
    expect(asked.pop()).toEqual([options, ...rest])
    return Object.keys(options.headers)
  }
  expect(follow(`${server.url}/elsewhere`)).toEqual(['authorization', 'Authorization', 'Accept'])
  for (const elsewhere of [
    `http://sub.127.0.0.1.nip.example:${port}/`,
    'http://127.0.0.1:1/',
    server.url.replace('http:', 'https:'),
  ])
    expect(follow(elsewhere)).toEqual(['Accept'])
})

test('nobody’s request is sent again as somebody else’s', async () => {
  const other = await server.signUp()
  const { api, sent } = instanceOf({
    async adapter(config) {
      const send = axios.getAdapter('http')
      const answer = await send(config).catch((error) => error)
      if (sent.length === 1) await auth.login({ email: other, password })
      if (answer instanceof Error) throw answer
      return answer
    },
  })
  attachAuth(api, auth)
  await expire()
  const error = await rejected(api.post('/api/echo', 'mine'))
  expect([error.response!.status, sent.length]).toEqual([401, 1])
  expect(auth.getSnapshot().user!.email).toBe(other)
  expect((await api.get('/api/echo')).status).toBe(200)
})

test('routes to sign in by are left alone', async () => {
  const { api, sent } = instanceOf()
  attachAuth(api, auth)
  const error = await rejected(api.post('/auth/login', { email: 'nobody@example.com', password: 'wrong' }))
  expect(error.response!.status).toBe(401)
  expect([sent.length, sent[0]!.headers!.Authorization, renewals()]).toEqual([1, undefined, 0])
})

test('credentials of the program’s own are left alone', async () => {
  const { api, sent } = instanceOf()
  attachAuth(api, auth)
  expect(
    (await rejected(api.get('/api/echo', { headers: { authorization: 'Bearer mine' } }))).response!.status,
  ).toBe(401)
  expect(
    (await rejected(api.get('/api/echo', { auth: { username: 'a', password: 'b' } }))).response!.status,
  ).toBe(401)
  expect([sent.length, renewals()]).toEqual([2, 0])
})

test('nobody’s requests go without a token, and say so', async () => {
  await auth.logout()
  const { api, sent } = instanceOf()
  attachAuth(api, auth)
  const error = await rejected(api.get('/api/echo'))
  expect(error.cause).toMatchObject({ code: 'TOKEN_MISSING' })
  expect(sent).toHaveLength(1)
})

test('a session that has ended is told by the first 401', async () => {
  const { api, sent } = instanceOf()
  attachAuth(api, auth)
  await auth.fetch(`${server.url}/auth/logout`, {
    method: 'POST',
    headers: { Authorization: `Bearer ${await auth.getToken()}` },
  })
  const error = await rejected(api.get('/api/echo'))
  expect(error.cause).toMatchObject({ code: 'TOKEN_REVOKED' })
  expect(sent).toHaveLength(1)
  expect(auth.getSnapshot()).toMatchObject({ status: 'signed_out', end: { code: 'INVALID_REFRESH_TOKEN' } })
})

test('a renewal that cannot be made is a network error, and nobody is signed out', async () => {
  gate = (url) => (url.endsWith('/auth/refresh') ? Promise.reject(new TypeError('no network')) : undefined)
  const { api, sent } = instanceOf()
  attachAuth(api, auth)
  await expire()
  const error = await rejected(api.get('/api/echo'))
  expect(axios.isAxiosError(error)).toBe(true)
  expect(error).toMatchObject({ code: 'ERR_NETWORK', cause: { code: 'UNAVAILABLE' } })
  expect(sent).toHaveLength(1)
  expect(auth.isAuthenticated()).toBe(true)
}, 15_000)

test('the program’s own interceptors see one request and one answer', async () => {
  const { api } = instanceOf()
  const seen: string[] = []
  const watch = (name: string) => {
    api.interceptors.request.use((config) => {
      seen.push(`${name} request`)
      config.headers.set('X-Request', name)
      return config
    })
    api.interceptors.response.use((response) => {
      seen.push(`${name} answer ${response.status} ${response.config.headers.has('Authorization')}`)
      return response
    })
  }
  watch('before')
  attachAuth(api, auth)
  watch('after')
  await expire()
  await api.get('/api/echo')
  expect(seen).toEqual([
    'after request',
    'before request',
    'before answer 200 false',
    'after answer 200 false',
  ])
})

test('errors hold no token', async () => {
  const { api } = instanceOf()
  attachAuth(api, auth)
  const token = await auth.getToken()
  const error = await rejected(api.get('/api/scoped'))
  expect(
    JSON.stringify([error, error.toJSON(), error.config, error.response!.config, error.cause]),
  ).not.toContain(token)
})

test('who tries again by the configuration of the error gets the token of then', async () => {
  const { api, sent } = instanceOf()
  attachAuth(api, auth)
  const error = await rejected(api.get('/api/scoped'))
  await auth.renew()
  await rejected(api.request(error.config!))
  const [first, second] = sent.map(({ headers }) => headers!.Authorization)
  expect(sent).toHaveLength(2)
  expect(second).not.toBe(first)
  expect(second).toBe(`Bearer ${await auth.getToken()}`)
})

test('a URL that is none is for axios to refuse', async () => {
  for (const url of ['http://', 'http:api', 'http://[']) {
    const plain = await rejected(axios.get(url))
    const api = axios.create()
    attachAuth(api, auth)
    const error = await rejected(api.get(url))
    expect([error.constructor.name, error.message]).toEqual([plain.constructor.name, plain.message])
  }
})

test('it is undone', async () => {
  const { api, sent } = instanceOf()
  const detach = attachAuth(api, auth)
  await api.get('/api/echo')
  detach()
  await rejected(api.get('/api/echo'))
  expect(sent.map(({ headers }) => headers!.Authorization !== undefined)).toEqual([true, false])
})

test('beside axios-auth-refresh, whose refresh is never asked for', async () => {
  const { api, sent } = instanceOf()
  let theirs = 0
  createAuthRefresh(api as never, async () => theirs++)
  attachAuth(api, auth)
  await expire()
  expect((await api.get('/api/echo')).status).toBe(200)
  expect([theirs, sent.length]).toEqual([0, 2])
})

const running: { close(): unknown }[] = []

/** A server that answers each request with the status that `answer` gives for its Authorization. */
async function listen(answer: (authorization: string | undefined) => number): Promise<string> {
  const http = createServer(
    (request, response) => void response.writeHead(answer(request.headers.authorization)).end(),
  )
  running.push(http)
  await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve))
  return `http://127.0.0.1:${(http.address() as AddressInfo).port}`
}

afterEach(() => {
  for (const http of running.splice(0)) http.close()
})
