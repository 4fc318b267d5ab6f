import { vi } from 'vitest'
import type { Code } from '../src/codes.ts'
import { codes } from '../src/codes.ts'

/*
 * A browser and a server in memory, for what needs a clock that tests can turn:
 * the server follows the rotation rule and keeps a book of what reached it; the
 * browser has a cookie jar, Web Locks and BroadcastChannel. The same things are
 * tested against the real server in a real browser elsewhere.
 */

export const origin = 'https://app.example'
export const ada = { id: 'u1', email: 'ada@example.com', name: 'Ada' }
export const password = 'analytical-engine-1843'

interface Row {
  id: string
  generation: number
  nonce: string
  parent: string
  attempt: string | null
  rotated: number
  ended: Code | null
}

/** One request as it reached the server. */
export interface Entry {
  method: string
  path: string
  authorization: string | null
  key: string | null
  refreshToken: string | null
  body: string
  status: number
}

export class World {
  readonly book: Entry[] = []
  /** Seconds. */
  life = 900
  /** How long a request is under way, in milliseconds. */
  latency = 0
  /** How far the server's clock is from the monotonic one, in milliseconds. */
  skew = 0
  /** The refresh token in the browser's jar. */
  jar: string | null = null
  readonly rows = new Map<string, Row>()
  /** Who signs in. */
  user = ada
  /** What happens to the next requests, in order; undefined is nothing special. */
  readonly faults: (Fault | undefined)[] = []
  /** What happens to all requests while it is set. */
  weather: ((path: string) => Fault | undefined) | null = null
  suspended = false
  /** Answers of the API beside the usual, by path. */
  readonly routes = new Map<string, (request: Request, nth: number) => Response | Promise<Response> | null>()
  #serial = 0

  now(): number {
    return performance.now() + this.skew
  }

  /** The browser's fetch: cookies, and a network on which answers are lost. */
  readonly fetch: typeof fetch = async (input, init) => {
    const request = new Request(input instanceof Request ? input : new URL(input, origin), init)
    const { pathname } = new URL(request.url)
    const fault = this.weather?.(pathname) ?? this.faults.shift()
    if (this.latency) await new Promise((resolve) => setTimeout(resolve, this.latency))
    if (fault === 'unreachable') throw new TypeError('fetch failed')
    if (fault instanceof Response) return fault
    const cookie = request.credentials !== 'omit' ? this.jar : null
    const { response, jar } = await this.#serve(request, cookie)
    if (fault === 'lost') throw new TypeError('fetch failed')
    if (typeof fault === 'number') {
      await new Promise<void>((resolve, reject) => {
        setTimeout(resolve, fault)
        request.signal.addEventListener('abort', () => reject(request.signal.reason))
      })
    }
    request.signal.throwIfAborted()
    if (jar !== undefined) this.jar = jar
    return response
  }

  count(path: string): number {
    return this.book.filter((entry) => entry.path === path).length
  }

  async #serve(
    request: Request,
    cookie: string | null,
  ): Promise<{ response: Response; jar?: string | null }> {
    const { pathname } = new URL(request.url)
    const body = await request.text()
    const data = (
      request.headers.get('Content-Type') === 'application/json' && body ? JSON.parse(body) : {}
    ) as Record<string, string>
    const refreshToken = data['refreshToken'] ?? cookie
    const key = request.headers.get('Idempotency-Key')
    const entry: Entry = {
      method: request.method,
      path: pathname,
      authorization: request.headers.get('Authorization'),
      key,
      refreshToken,
      body,
      status: 0,
    }
    this.book.push(entry)
    const done = (response: Response, jar?: string | null) => {
      entry.status = response.status
      return jar === undefined ? { response } : { response, jar }
    }
    const grant = (row: Row, nonce: string) => {
      const token = `${row.id}.${row.generation}.${nonce}`
      const byCookie = request.headers.get('Doorward-Transport') === 'cookie'
      const answer = {
        accessToken: this.#token(row.id),
        tokenType: 'Bearer',
        expiresIn: this.life,
        user: this.user,
      }
      return byCookie
        ? done(Response.json(answer), token)
        : done(Response.json({ ...answer, refreshToken: token }))
    }

    switch (pathname) {
      case '/auth/login': {
        if (data['password'] !== password) return done(denial('INVALID_CREDENTIALS', 401))
        const id = `s${++this.#serial}`
        const row: Row = {
          id,
          generation: 1,
          nonce: this.#nonce(),
          parent: '',
          attempt: null,
          rotated: this.now(),
          ended: null,
        }
        this.rows.set(id, row)
        return grant(row, row.nonce)
      }
      case '/auth/refresh': {
        if (!refreshToken) return done(denial('REFRESH_TOKEN_MISSING', 401))
        const [id, generation, nonce] = refreshToken.split('.') as [string, string, string]
        const row = this.rows.get(id)
        if (!row || row.ended) return done(denial(row?.ended ?? 'INVALID_REFRESH_TOKEN', 403))
        if (this.suspended) return done(denial('ACCOUNT_SUSPENDED', 403))
        const young = this.now() - row.rotated <= 30_000
        if (Number(generation) === row.generation) {
          Object.assign(row, {
            generation: row.generation + 1,
            parent: nonce,
            attempt: key,
            rotated: this.now(),
            nonce: this.#nonce(),
          })
          return grant(row, row.nonce)
        }
        if (Number(generation) === row.generation - 1 && nonce === row.parent) {
          if (row.attempt === key && (key || young)) return grant(row, row.nonce)
          if (young || !row.attempt) return grant(row, this.#nonce())
        }
        row.ended = 'INVALID_REFRESH_TOKEN'
        return done(denial('REFRESH_TOKEN_REUSED', 403))
      }
      case '/auth/logout': {
        const row = this.rows.get(refreshToken?.split('.')[0] ?? '')
        if (row) row.ended = 'INVALID_REFRESH_TOKEN'
        return done(new Response(null, { status: 204 }), null)
      }
    }
    const nth = this.book.filter((each) => each.path === pathname).length
    const special = await this.routes.get(pathname)?.(
      new Request(request.url, { method: request.method, headers: request.headers }),
      nth,
    )
    if (special) return done(special)
    const token = entry.authorization?.replace('Bearer ', '')
    if (!token) return done(denial('TOKEN_MISSING', 401))
    const { sid, exp } = JSON.parse(atob(token.split('.')[1]!)) as { sid: string; exp: number }
    if (this.rows.get(sid)?.ended || this.suspended) return done(denial('TOKEN_REVOKED', 401))
    if (this.now() >= exp) return done(denial('TOKEN_EXPIRED', 401))
    return done(Response.json({ path: pathname, sid, body }))
  }

  #nonce(): string {
    return `n${++this.#serial}`
  }

  #token(sid: string): string {
    const payload = btoa(JSON.stringify({ sid, exp: this.now() + this.life * 1000, jti: ++this.#serial }))
    return `header.${payload}.signature`
  }
}

/** Nobody answers, the answer is lost, it takes so many milliseconds, or somebody else answers. */
export type Fault = 'unreachable' | 'lost' | number | Response

export function denial(
  code: Code,
  status: number,
  fields: Record<string, string> = {},
  members: Record<string, string> = {},
): Response {
  const body = {
    type: `${origin}/errors/${code}`,
    code,
    status,
    detail: `because of ${codes[code]}`,
    instance: 'dn_01KAR2M5X0V3T9Z6Q8W1E4R7YA',
    ...members,
  }
  const challenge: Record<string, string> =
    status === 401 ? { 'WWW-Authenticate': 'Bearer realm="doorward"' } : {}
  return new Response(JSON.stringify(body), {
    status,
    headers: { 'Content-Type': 'application/problem+json', ...challenge, ...fields },
  })
}

/** Puts a page's globals in place. All clients of a test are tabs of one browser. */
export function browser(href = `${origin}/inbox?page=2#top`) {
  const cookies = new Map<string, string>()
  class Document extends EventTarget {
    hidden = false
    get cookie() {
      return [...cookies].map(([name, value]) => `${name}=${value}`).join('; ')
    }
    set cookie(text: string) {
      const [name, value] = text.split(';')[0]!.split('=') as [string, string]
      if (/Max-Age=0/.test(text)) cookies.delete(name)
      else cookies.set(name, value)
    }
  }
  const document = new Document()
  const page = new EventTarget()
  const assigned: string[] = []
  const locks = new Locks()
  vi.stubGlobal('document', document)
  vi.stubGlobal('location', Object.assign(new URL(href), { replace: (to: string) => assigned.push(to) }))
  vi.stubGlobal('addEventListener', page.addEventListener.bind(page))
  vi.stubGlobal('removeEventListener', page.removeEventListener.bind(page))
  vi.stubGlobal('navigator', { onLine: true, locks })
  vi.stubGlobal('BroadcastChannel', Channel)
  return { cookies, document, page, assigned, locks }
}

/** Web Locks, as far as they are used. `stuck` is held by a tab that is frozen. */
class Locks {
  stuck = false
  #held = false
  readonly #queue: (() => void)[] = []

  async request<T>(
    _name: string,
    how: { ifAvailable?: boolean; signal?: AbortSignal },
    work: (lock: object | null) => Promise<T>,
  ): Promise<T> {
    if (this.stuck || this.#held) {
      if (how.ifAvailable) return work(null)
      await new Promise<void>((granted, refused) => {
        this.#queue.push(granted)
        how.signal?.addEventListener('abort', () => {
          this.#queue.splice(this.#queue.indexOf(granted), 1)
          refused(how.signal?.reason)
        })
      })
    }
    this.#held = true
    try {
      return await work({})
    } finally {
      this.#held = false
      this.#queue.shift()?.()
    }
  }
}

class Channel {
  static readonly open = new Set<Channel>()
  onmessage: ((event: { data: unknown }) => void) | null = null
  readonly name: string

  constructor(name: string) {
    this.name = name
    Channel.open.add(this)
  }

  postMessage(message: unknown): void {
    const data = structuredClone(message)
    for (const other of Channel.open) {
      if (other !== this && other.name === this.name)
        setTimeout(() => Channel.open.has(other) && other.onmessage?.({ data }), 1)
    }
  }

  close(): void {
    Channel.open.delete(this)
  }
}
