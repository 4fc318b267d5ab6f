import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest'
import { WebSocket as Socket, WebSocketServer, type WebSocket as ServerSocket } from 'ws'
import { password, testServer } from '../../test/server.ts'
import { type AuthClient, type AuthClientOptions, type AuthEvent, createAuthClient } from '../src/index.ts'
import { type AuthSocket, openEventStream, openSocket, type SocketOptions } from '../src/streams.ts'
import { ada, browser, origin, password as theirs, World } from './world.ts'

const server = testServer()

/** A server of sockets that asks Doorward who is there. */
class Room {
  readonly #http: WebSocketServer
  readonly url: string
  /** What was asked for, the token included. */
  readonly asked: { url: string; protocols: string[] }[] = []
  readonly heard: string[] = []
  readonly open = new Set<ServerSocket>()
  /** How to go on with a connection that is let in; the default hears. */
  onConnection: (socket: ServerSocket, nth: number) => void = () => {}
  refuseHandshake = false

  static async start(port = 0): Promise<Room> {
    const http = new WebSocketServer({
      host: '127.0.0.1',
      port,
      handleProtocols: (offered) => ['chat', 'doorward.bearer'].find((each) => offered.has(each)) ?? false,
      verifyClient: (_: unknown, done: (ok: boolean, code?: number) => void) =>
        done(!room.refuseHandshake, 401),
    })
    const room = new Room(http)
    await once(http, 'listening')
    Object.assign(room, { url: `ws://127.0.0.1:${(http.address() as AddressInfo).port}/room` })
    return room
  }

  constructor(http: WebSocketServer) {
    this.#http = http
    this.url = ''
    http.on('connection', async (socket, request) => {
      const protocols = (request.headers['sec-websocket-protocol'] ?? '').split(/, */)
      this.asked.push({ url: request.url!, protocols })
      const nth = this.asked.length
      const messages: string[] = []
      socket.on('message', (data) => messages.push(String(data)))
      socket.on('close', () => this.open.delete(socket))
      let token = protocols[protocols.indexOf('doorward.bearer') + 1]
      if (!protocols.includes('doorward.bearer')) {
        await once(socket, 'message')
        token = JSON.parse(messages.shift()!).token
      }
      const answer = await fetch(`${server.url}/api/echo`, { headers: { Authorization: `Bearer ${token}` } })
      if (!answer.ok) return socket.close(4401, (await answer.json()).code)
      this.heard.push(...messages)
      socket.on('message', (data) => this.heard.push(String(data)))
      this.open.add(socket)
      this.onConnection(socket, nth)
    })
  }

  async stop(): Promise<void> {
    for (const socket of this.#http.clients) socket.terminate()
    await new Promise((resolve) => this.#http.close(resolve))
  }
}

let room: Room
let auth: AuthClient
let events: AuthEvent[]
let email = ''
const opened: AuthSocket[] = []

beforeAll(async () => {
  email = await server.signUp()
})

async function signedIn(options: AuthClientOptions = {}): Promise<AuthClient> {
  auth = createAuthClient({
    server: server.url,
    origins: [room.url.replace(/^ws/, 'http')],
    transport: 'bearer',
    onEvent: (event) => events.push(event),
    ...options,
  })
  await auth.login({ email, password })
  return auth
}

beforeEach(async () => {
  events = []
  room = await Room.start()
  await signedIn()
})

afterEach(async () => {
  vi.useRealTimers()
  for (const socket of opened.splice(0)) socket.close()
  auth.close()
  await room.stop()
})

function open(options: SocketOptions = {}) {
  const states: string[] = []
  const heard: unknown[] = []
  const socket = openSocket(auth, room.url, {
    WebSocket: Socket as unknown as typeof WebSocket,
    onMessage: (data) => heard.push(data),
    onState: (state) => states.push(state),
    ...options,
  })
  opened.push(socket)
  return { socket, states, heard }
}

const renewals = () => events.filter(({ type }) => type === 'renewing').length
const expire = () => server.advance(15 * 60 + 31)

describe('a socket', () => {
  test('carries the token in a field, and never in the URL', async () => {
    room.onConnection = (socket) => socket.send('welcome')
    const { socket, states, heard } = open({ protocols: ['chat'] })
    socket.send('hello')
    await expect.poll(() => [room.heard, heard]).toEqual([['hello'], ['welcome']])
    const [{ url, protocols }] = room.asked as [Room['asked'][0]]
    expect([url, protocols]).toEqual(['/room', ['doorward.bearer', await auth.getToken(), 'chat']])
    expect(states).toEqual(['connecting', 'open'])
    socket.close()
    expect(await socket.ended).toEqual({ reason: 'closed', error: null })
    await expect.poll(() => room.open.size).toBe(0)
    expect(() => socket.send('more')).toThrow('ended')
  })

  test('or in its first message, before all others', async () => {
    const { socket } = open({ authenticate: (token) => JSON.stringify({ token }) })
    socket.send('hello')
    await expect.poll(() => room.heard).toEqual(['hello'])
    expect(room.asked[0]!.protocols).toEqual([''])
  })

  test('takes bytes and gives bytes', async () => {
    room.onConnection = (socket) => socket.on('message', (data) => socket.send(data as Buffer))
    const { socket, heard } = open()
    await expect.poll(() => room.open.size).toBe(1)
    socket.send(new Uint8Array([1, 2, 3]))
    await expect.poll(() => heard).toHaveLength(1)
    expect([...new Uint8Array(heard[0] as ArrayBuffer)]).toEqual([1, 2, 3])
  })

  test.each<[string, SocketOptions]>([
    ['in the handshake', {}],
    ['in a message', { authenticate: (token) => JSON.stringify({ token }) }],
  ])('a token that is over, sent %s, is renewed, and what waited is sent', async (_, options) => {
    await expire()
    const { socket } = open(options)
    socket.send('hello')
    await expect.poll(() => room.open.size).toBe(1)
    socket.send('again')
    await expect.poll(() => room.heard.at(-1)).toBe('again')
    expect([room.asked.length, renewals()]).toEqual([2, 1])
  })

  test('a second refusal is the end', async () => {
    room.onConnection = (socket) => socket.close(1008, 'not you')
    const { socket } = open()
    const { reason, error } = await socket.ended
    expect([reason, error?.code, error?.message]).toEqual(['denied', 'TOKEN_INVALID', 'not you'])
    expect([room.asked.length, renewals()]).toEqual([2, 1])
  })

  test('a refusal that nothing mends is the end', async () => {
    room.onConnection = (socket) => socket.close(4401, 'INSUFFICIENT_SCOPE')
    const { socket } = open()
    expect(await socket.ended).toMatchObject({ reason: 'denied', error: { code: 'INSUFFICIENT_SCOPE' } })
    expect([room.asked.length, renewals()]).toEqual([1, 0])
  })

  test('a refusal is mended again after a minute', async () => {
    vi.useFakeTimers({ toFake: ['performance'] })
    const refuse: (() => void)[] = []
    room.onConnection = (socket) => refuse.push(() => socket.close(4401, 'TOKEN_REVOKED'))
    const { socket } = open()
    for (const n of [1, 2, 3]) {
      await expect.poll(() => refuse.length).toBe(n)
      await vi.advanceTimersByTimeAsync(61_000)
      refuse[n - 1]!()
    }
    await expect.poll(() => refuse.length).toBe(4)
    refuse[3]!()
    expect(await socket.ended).toMatchObject({ reason: 'denied', error: { code: 'TOKEN_REVOKED' } })
    expect(renewals()).toBe(3)
  })

  test('ends with the session', async () => {
    const { socket } = open()
    await expect.poll(() => room.open.size).toBe(1)
    await auth.logout()
    expect(await socket.ended).toEqual({ reason: 'session_ended', error: null })
    await expect.poll(() => room.open.size).toBe(0)
  })

  test('ends with the session that the server ended, and says why', async () => {
    await server.post('/auth/logout', undefined, { Authorization: `Bearer ${await auth.getToken()}` })
    const { socket } = open()
    expect(await socket.ended).toMatchObject({
      reason: 'session_ended',
      error: { code: 'INVALID_REFRESH_TOKEN' },
    })
  })

  test('is refused to nobody', async () => {
    await auth.logout()
    const { socket } = open()
    expect(await socket.ended).toMatchObject({ reason: 'denied', error: { code: 'TOKEN_MISSING' } })
    expect(room.asked).toHaveLength(0)
  })

  test('is over when the server is done', async () => {
    room.onConnection = (socket) => socket.close(1000)
    const { socket } = open()
    expect(await socket.ended).toEqual({ reason: 'closed', error: null })
    expect(room.asked).toHaveLength(1)
  })

  test('connects again when the server is back, and sends what waited', async () => {
    const { socket, states } = open({ queue: 2 })
    await expect.poll(() => room.open.size).toBe(1)
    const port = Number(new URL(room.url).port)
    await room.stop()
    await expect.poll(() => states.at(-1)).toBe('waiting')
    socket.send('a')
    socket.send('b')
    expect(() => socket.send('c')).toThrow(RangeError)
    expect(socket.queued).toBe(2)
    room = await Room.start(port)
    await expect.poll(() => room.heard, { timeout: 5000 }).toEqual(['a', 'b'])
    expect(socket.queued).toBe(0)
  })

  test('asks the refresh when handshakes fail, and ends if that is it', async () => {
    room.refuseHandshake = true
    await server.post('/auth/logout', undefined, { Authorization: `Bearer ${await auth.getToken()}` })
    const { socket } = open()
    expect(await socket.ended).toMatchObject({
      reason: 'session_ended',
      error: { code: 'INVALID_REFRESH_TOKEN' },
    })
    expect(room.asked).toHaveLength(0)
  }, 10_000)

  test('is made anew before its token ends', async () => {
    auth.close()
    const kept = new Map<string, string>()
    const storage = {
      getItem: (key: string) => kept.get(key) ?? null,
      setItem: (key: string, value: string) => void kept.set(key, value),
      removeItem: (key: string) => void kept.delete(key),
    }
    await signedIn({ storage })
    const initial = { user: auth.getSnapshot().user!, accessToken: await auth.getToken(), expiresIn: 1.5 }
    auth.close()
    const origins = [room.url.replace(/^ws/, 'http')]
    auth = createAuthClient({ server: server.url, origins, transport: 'bearer', storage, initial })
    const { socket, states } = open()
    await expect.poll(() => room.asked.length, { timeout: 5000 }).toBe(2)
    const [before, after] = room.asked.map(({ protocols }) => protocols[1])
    expect([before, after]).toEqual([initial.accessToken, await auth.getToken()])
    await expect
      .poll(() => [room.open.size, states])
      .toEqual([1, ['connecting', 'open', 'connecting', 'open']])
    socket.close()
  })

  test('goes nowhere that the token may not go', () => {
    expect(() => open().socket).not.toThrow()
    for (const url of ['wss://elsewhere.example/', 'ws://127.0.0.1:1/', 'ftp://127.0.0.1/', 'nothing']) {
      expect(() => openSocket(auth, url)).toThrow(TypeError)
    }
  })

  test('takes https for wss, and ends when a signal says so', async () => {
    const controller = new AbortController()
    const socket = openSocket(auth, room.url.replace(/^ws/, 'http'), {
      WebSocket: Socket as unknown as typeof WebSocket,
      signal: controller.signal,
    })
    await expect.poll(() => room.open.size).toBe(1)
    controller.abort()
    expect(await socket.ended).toEqual({ reason: 'closed', error: null })
  })
})

describe('on a clock', () => {
  let world: World
  let client: AuthClient
  /** The connections that were made; `open` and `lose` are the network's. */
  let lines: Line[]
  class Line {
    onopen: (() => void) | null = null
    onclose: ((event: { code: number; reason: string }) => void) | null = null
    constructor() {
      lines.push(this)
    }
    close(): void {}
    send(): void {}
    open(): void {
      this.onopen?.()
    }
    lose(): void {
      this.onclose?.({ code: 1006, reason: '' })
    }
  }
  const pass = (ms: number) => vi.advanceTimersByTimeAsync(ms)

  beforeEach(() => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] })
    browser()
    world = new World()
    lines = []
  })

  afterEach(() => {
    client.close()
    vi.unstubAllGlobals()
  })

  async function opening(): Promise<{ over: boolean }> {
    const socket = openSocket(client, `${origin}/room`, { WebSocket: Line as unknown as typeof WebSocket })
    opened.push(socket)
    const state = { over: false }
    void socket.ended.then(() => (state.over = true))
    await pass(0)
    return state
  }

  test('an outage while the page loads is not the end', async () => {
    const before = createAuthClient({ server: origin, fetch: world.fetch })
    await before.login({ email: ada.email, password: theirs })
    before.close()
    client = createAuthClient({ server: origin, fetch: world.fetch })
    world.weather = (path) => (path === '/auth/refresh' ? 'unreachable' : undefined)
    const socket = await opening()
    await pass(90_000)
    expect([socket.over, lines.length, client.getSnapshot().status]).toEqual([false, 0, 'loading'])
    world.weather = null
    await pass(90_000)
    expect([socket.over, lines.length]).toEqual([false, 1])
  })

  test('a connection that stood long was no failure', async () => {
    client = createAuthClient({ server: origin, fetch: world.fetch })
    await client.login({ email: ada.email, password: theirs })
    await opening()
    for (let nth = 1; nth < 6; nth++) {
      lines.at(-1)!.open()
      await pass(61_000)
      lines.at(-1)!.lose()
      await pass(1000)
      expect(lines).toHaveLength(nth + 1)
    }
  })
})

test('events of a real server', async () => {
  const publish = (data: string) => server.post(`/test/publish?data=${data}`)
  await publish('a')
  await expire()
  const seen: string[] = []
  const stream = openEventStream(auth, `${server.url}/api/events`)
  const read = (async () => {
    for await (const { data, lastEventId } of stream) {
      seen.push(`${lastEventId} ${data}`)
      if (data === 'b') await auth.logout()
    }
  })()
  await expect.poll(() => seen).toEqual(['1 a'])
  await publish('b')
  await read
  expect(await stream.ended).toEqual({ reason: 'session_ended', error: null })
  expect([seen, renewals()]).toEqual([['1 a', '2 b'], 1])
})
