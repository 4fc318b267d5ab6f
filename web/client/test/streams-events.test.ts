import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { type AuthClient, type AuthError, createAuthClient } from '../src/index.ts'
import { EventParser } from '../src/sse.ts'
import {
  type EventStream,
  type EventStreamOptions,
  openEventStream,
  type ServerEvent,
} from '../src/streams.ts'
import { ada, denial, origin, password, World } from './world.ts'

describe('the format', () => {
  const event = (data: string, lastEventId = '', type = 'message'): ServerEvent => ({
    type,
    data,
    lastEventId,
  })
  const cases: [string, string, ServerEvent[]][] = [
    ['lines of data', 'data: a\ndata: b\ndata:c\ndata:  d\n\n', [event('a\nb\nc\n d')]],
    ['a field without a colon', 'data\n\ndata\ndata\n\n', [event(''), event('\n')]],
    ['comments and unknown fields', ': hello\n:\nnope: x\nDATA: y\n data: z\ndata: a\n\n', [event('a')]],
    ['CR', 'data: a\rdata: b\r\rdata: c\r\r', [event('a\nb'), event('c')]],
    ['CRLF', 'data: a\r\ndata: b\r\n\r\ndata: c\r\n\r\n', [event('a\nb'), event('c')]],
    ['line ends of all kinds', 'data: a\rdata: b\ndata: c\r\n\n', [event('a\nb\nc')]],
    [
      'an empty line each after CR and LF',
      'data: a\n\r\ndata: b\r\n\rdata: c\n\n',
      [event('a'), event('b'), event('c')],
    ],
    [
      'a type for one event',
      'event: up\ndata: a\n\ndata: b\n\nevent: x\n\ndata: c\n\n',
      [event('a', '', 'up'), event('b'), event('c')],
    ],
    ['no event without data', 'event: up\nid: 7\n\n', []],
    [
      'an id that stays',
      'id: 1\ndata: a\n\ndata: b\n\nid\ndata: c\n\n',
      [event('a', '1'), event('b', '1'), event('c')],
    ],
    ['an id of an event without data', 'id: 1\n\ndata: a\n\n', [event('a', '1')]],
    ['an id with NULL', 'id: 1\nid: 2\0\ndata: a\n\n', [event('a', '1')]],
    ['what is not ended is not said', 'data: a\n\ndata: b\n', [event('a')]],
    ['letters of all lengths', 'data: aé漢😀\n\n', [event('aé漢😀')]],
    ['a colon in a value', 'data: a: b\nid:: x\n\n', [event('a: b', ': x')]],
  ]

  test.each(cases)('%s, cut anywhere', (_, text, events) => {
    for (let size = 1; size <= text.length; size++) {
      const parser = new EventParser()
      const seen: ServerEvent[] = []
      for (let at = 0; at < text.length; at += size)
        seen.push(...parser.parse(text.slice(at, at + size)), ...parser.parse(''))
      expect(seen).toEqual(events)
    }
  })

  test('retry is digits and nothing else', () => {
    const parser = new EventParser()
    for (const [text, retry] of [
      ['retry: 1000\n', 1000],
      ['retry: 1.5\nretry: -1\nretry: x\nretry:\nretry: 2s\n', 1000],
      ['retry:0\n', 0],
    ] as const) {
      expect([...parser.parse(text)]).toEqual([])
      expect(parser.retry).toBe(retry)
    }
  })

  test('a new connection begins with the last id, and without the rest', () => {
    const parser = new EventParser()
    expect([...parser.parse('id: 1\ndata: a\n\nid: 2\nevent: x\ndata: b\nda')]).toHaveLength(1)
    parser.restart()
    expect([...parser.parse('data: c\n\n')]).toEqual([event('c', '1')])
  })

  test('a long line in many pieces takes time that is linear', () => {
    const parser = new EventParser()
    const piece = 'x'.repeat(1000)
    for (let i = 0; i < 20_000; i++) for (const _ of parser.parse(i ? piece : 'data:')) expect.unreachable()
    const [one] = parser.parse('\n\n')
    expect(one!.data.length).toBe(19_999_000)
  })
})

describe('the connection', () => {
  let world: World
  let auth: AuthClient
  /** The connections that were made. */
  let lines: {
    id: string | null
    token: string | null
    at: number
    write(text: string): void
    end(): void
    fail(): void
    cut: boolean
  }[]
  let answer: (() => Response | undefined) | undefined
  let tries: number

  beforeEach(async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] })
    world = new World()
    lines = []
    tries = 0
    answer = undefined
    world.routes.set('/events', (request) => {
      const special = answer?.()
      if (special) return special
      const token = request.headers.get('Authorization')
      if (token && JSON.parse(atob(token.split('.')[1]!)).exp <= world.now())
        return denial('TOKEN_EXPIRED', 401)
      let out!: ReadableStreamDefaultController<Uint8Array>
      const line = {
        id: request.headers.get('Last-Event-ID'),
        token,
        at: performance.now(),
        write: (text: string) => out.enqueue(new TextEncoder().encode(text)),
        end: () => out.close(),
        fail: () => out.error(new TypeError('network error')),
        cut: false,
      }
      const body = new ReadableStream<Uint8Array>({
        start: (controller) => void (out = controller),
        cancel: () => void (line.cut = true),
      })
      lines.push(line)
      return new Response(body, { headers: { 'Content-Type': 'text/event-stream; charset=utf-8' } })
    })
    auth = createAuthClient({
      server: origin,
      transport: 'bearer',
      async fetch(input, init) {
        if (String(input).endsWith('/events')) tries++
        const response = await world.fetch(input, init)
        const line = lines.at(-1)
        init?.signal?.addEventListener('abort', () => {
          if (!line || line.cut || !response.headers.get('Content-Type')?.startsWith('text/event-stream'))
            return
          line.cut = true
          line.fail()
        })
        return response
      },
    })
    await auth.login({ email: ada.email, password })
  })

  afterEach(() => {
    auth.close()
    vi.useRealTimers()
  })

  /** Reads a stream in the background. */
  function reading(options: EventStreamOptions = {}) {
    const stream = openEventStream(auth, `${origin}/events`, options)
    const seen: string[] = []
    let thrown: unknown
    let over = false
    const done = (async () => {
      try {
        for await (const { data } of stream) seen.push(data)
      } catch (error) {
        thrown = error
      }
      over = true
    })()
    return {
      stream,
      seen,
      done,
      get thrown() {
        return thrown
      },
      get over() {
        return over
      },
    }
  }
  const pass = (ms: number) => vi.advanceTimersByTimeAsync(ms)
  const ended = async (stream: EventStream) => stream.ended

  test('gets the token, and is read as it comes, BOM and all', async () => {
    const states: string[] = []
    const { seen, stream, done } = reading({
      onState: (state) => states.push(state),
      headers: { 'X-Room': '1' },
    })
    await pass(0)
    expect(lines[0]!.token).toBe(`Bearer ${await auth.getToken()}`)
    lines[0]!.write('\uFEFFdata: a\n\n')
    await pass(0)
    lines[0]!.write('data: b\n\ndata: c')
    await pass(0)
    expect(seen).toEqual(['a', 'b'])
    stream.close()
    await done
    expect(await ended(stream)).toEqual({ reason: 'closed', error: null })
    expect([lines[0]!.cut, states]).toEqual([true, ['connecting', 'open']])
  })

  test('is not made before it is read', async () => {
    const stream = openEventStream(auth, `${origin}/events`)
    await pass(1000)
    expect(lines).toHaveLength(0)
    stream.close()
    for await (const _ of stream) expect.unreachable()
    expect(lines).toHaveLength(0)
  })

  test('goes when the loop is left', async () => {
    const stream = openEventStream(auth, `${origin}/events`)
    const loop = (async () => {
      for await (const _ of stream) break
    })()
    await pass(0)
    lines[0]!.write('data: a\n\ndata: b\n\n')
    await loop
    expect(await ended(stream)).toEqual({ reason: 'closed', error: null })
    expect(lines[0]!.cut).toBe(true)
  })

  test('goes when a signal says so, also while it waits', async () => {
    const controller = new AbortController()
    const { done, stream } = reading({ signal: controller.signal })
    await pass(0)
    lines[0]!.end()
    await pass(0)
    controller.abort()
    await done
    expect(await ended(stream)).toEqual({ reason: 'closed', error: null })
    expect(
      await ended(openEventStream(auth, `${origin}/events`, { signal: controller.signal })),
    ).toMatchObject({ reason: 'closed' })
  })

  test('is made again when it is lost, behind the last event', async () => {
    const states: string[] = []
    const { seen } = reading({ onState: (state) => states.push(state), lastEventId: 'ü0' })
    await pass(0)
    // A field holds bytes: this is how a browser sends it too.
    expect(lines[0]!.id).toBe(String.fromCharCode(...new TextEncoder().encode('ü0')))
    lines[0]!.write('id: 7\ndata: a\n\nid: 8\ndata: b')
    await pass(0)
    lines[0]!.fail()
    await pass(1499)
    expect(lines).toHaveLength(1)
    await pass(1501)
    expect(lines.map(({ id }) => id)).toEqual([expect.anything(), '7'])
    lines[1]!.write('id: 8\ndata: b\n\n')
    await pass(0)
    lines[1]!.end()
    await pass(3000)
    expect(lines[2]!.id).toBe('8')
    expect(seen).toEqual(['a', 'b'])
    expect(states).toEqual([
      'connecting',
      'open',
      'waiting',
      'connecting',
      'open',
      'waiting',
      'connecting',
      'open',
    ])
  })

  test('waits as long as the server says, and longer each time, up to a minute', async () => {
    reading()
    await pass(0)
    lines[0]!.write('retry: 8000\n')
    await pass(0)
    lines[0]!.end()
    await pass(3999)
    expect(lines).toHaveLength(1)
    world.weather = (path) => (path === '/events' ? 'unreachable' : undefined)
    tries = 0
    await pass(600_000)
    // 8, 16, 32 and then 60 s; each at least half as long.
    expect(tries).toBeGreaterThan(9)
    expect(tries).toBeLessThan(22)
    world.weather = null
    await pass(60_000)
    lines[1]!.write('data: a\n\n')
    await pass(0)
    lines[1]!.end()
    await pass(8000)
    expect(lines).toHaveLength(3)
  })

  test('is no failure where it stood long', async () => {
    reading()
    await pass(0)
    for (let nth = 1; nth < 6; nth++) {
      await pass(61_000)
      lines.at(-1)!.end()
      await pass(3000)
      expect(lines).toHaveLength(nth + 1)
    }
  })

  test('what the program throws when it is told is not taken for the network', async () => {
    const oops = new Error('oops')
    const reader = reading({
      onState(state) {
        if (state === 'open') throw oops
      },
    })
    await reader.done
    expect([reader.thrown, tries, lines[0]!.cut]).toEqual([oops, 1, true])
    expect(await ended(reader.stream)).toEqual({ reason: 'closed', error: null })
  })

  test('does not spin, whatever the server says', async () => {
    reading()
    answer = () => new Response('retry: 0\ndata: a\n\n', { headers: { 'Content-Type': 'text/event-stream' } })
    await pass(1000)
    expect(tries).toBeLessThanOrEqual(21)
    expect(tries).toBeGreaterThan(5)
  })

  test.each([408, 429, 500, 502, 503])('tries again after %d', async (status) => {
    answer = () => new Response(null, { status })
    reading()
    await pass(0)
    answer = undefined
    expect(lines).toHaveLength(0)
    await pass(3000)
    expect(lines).toHaveLength(1)
  })

  test('waits as long as a server without capacity says', async () => {
    answer = () => denial('UNAVAILABLE', 503, { 'Retry-After': '20' })
    reading()
    await pass(19_000)
    answer = undefined
    expect(lines).toHaveLength(0)
    await pass(1001)
    expect(lines).toHaveLength(1)
  })

  test('is made anew shortly before its token ends, with the next one', async () => {
    const { seen } = reading()
    await pass(0)
    const first = lines[0]!
    first.write('id: 1\ndata: a\n\n')
    await pass((900 - 31) * 1000)
    expect(lines).toHaveLength(1)
    await pass(1001)
    expect(lines).toHaveLength(2)
    const second = lines[1]!
    expect([first.cut, second.id, second.token]).toEqual([true, '1', `Bearer ${await auth.getToken()}`])
    expect(second.token).not.toBe(first.token)
    second.write('id: 2\ndata: b\n\n')
    await pass(0)
    expect(seen).toEqual(['a', 'b'])
  })

  test('stays while there is no next token to be had, and a server out of reach is no end', async () => {
    reading()
    await pass(0)
    world.weather = (path) => (path === '/auth/refresh' ? 'unreachable' : undefined)
    await pass(2000 * 1000)
    expect([lines.length, lines[0]!.cut]).toEqual([1, false])
    world.weather = null
    await pass(120_000)
    expect([lines.length, lines[0]!.cut]).toEqual([2, true])
  })

  test('a 401 is mended', async () => {
    world.skew = 1000 * 1000 // the server's clock jumps: to it, the token is over
    const { seen } = reading()
    await pass(0)
    lines[0]!.write('data: a\n\n')
    await pass(0)
    expect([seen, world.count('/auth/refresh')]).toEqual([['a'], 1])
  })

  test('ends with the session', async () => {
    const { done, stream, seen } = reading()
    await pass(0)
    lines[0]!.write('data: a\n\n')
    await pass(0)
    await auth.logout()
    await done
    expect(await ended(stream)).toEqual({ reason: 'session_ended', error: null })
    expect([seen, lines[0]!.cut, lines.length]).toEqual([['a'], true, 1])
  })

  test('ends with the session that the server ended, and says why', async () => {
    const reader = reading()
    await pass(0)
    world.suspended = true
    lines[0]!.end()
    answer = () => denial('TOKEN_REVOKED', 401)
    await pass(3000)
    await reader.done
    const { reason, error } = await ended(reader.stream)
    expect([reason, error?.code, reader.thrown]).toEqual(['session_ended', 'ACCOUNT_SUSPENDED', undefined])
  })

  test('ends when somebody else signs in', async () => {
    const { done, stream } = reading()
    await pass(0)
    Object.assign(ada, { id: 'u2' })
    await auth.login({ email: ada.email, password })
    Object.assign(ada, { id: 'u1' })
    await done
    expect(await ended(stream)).toEqual({ reason: 'session_ended', error: null })
  })

  test.each<[string, () => Response, Partial<AuthError>]>([
    ['403', () => denial('INSUFFICIENT_SCOPE', 403), { code: 'INSUFFICIENT_SCOPE', status: 403 }],
    ['401 again and again', () => denial('TOKEN_EXPIRED', 401), { code: 'TOKEN_EXPIRED', status: 401 }],
    ['404', () => new Response('?', { status: 404 }), { code: 'UNKNOWN', status: 404 }],
    [
      'a page',
      () => new Response('<p>', { headers: { 'Content-Type': 'text/html' } }),
      { code: 'UNKNOWN', status: 200 },
    ],
    [
      'a type that only begins so',
      () => new Response('', { headers: { 'Content-Type': 'text/event-streams' } }),
      { status: 200 },
    ],
  ])('a refusal is thrown, and is the end: %s', async (_, refuse, error) => {
    answer = refuse
    const reader = reading()
    await pass(0)
    await reader.done
    expect(reader.thrown).toMatchObject(error)
    expect(await ended(reader.stream)).toEqual({ reason: 'denied', error: reader.thrown })
    const asked = world.count('/events')
    await pass(600_000)
    expect(world.count('/events')).toBe(asked)
    expect(asked).toBeLessThanOrEqual(2)
  })

  test('204 is the end', async () => {
    answer = () => new Response(null, { status: 204 })
    const reader = reading()
    await pass(0)
    await reader.done
    expect([await ended(reader.stream), reader.thrown]).toEqual([
      { reason: 'no_content', error: null },
      undefined,
    ])
  })

  test('what has come is not read after the end', async () => {
    const stream = openEventStream(auth, `${origin}/events`)
    const seen: string[] = []
    const loop = (async () => {
      for await (const { data } of stream) {
        seen.push(data)
        stream.close()
      }
    })()
    await pass(0)
    lines[0]!.write('data: a\n\ndata: b\n\n')
    await loop
    expect(seen).toEqual(['a'])
  })

  test('what is no URL is refused at once', () => {
    expect(() => openEventStream(auth, 'http://[')).toThrow(TypeError)
  })
})
