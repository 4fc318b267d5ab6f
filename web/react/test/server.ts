import type { AuthClientOptions, User } from '@doorward/client'

export const ada: User = { id: 'usr_1', email: 'ada@example.com', name: 'Ada' }
export const grace: User = { id: 'usr_2', email: 'grace@example.com', name: 'Grace' }
export const password = 'correct horse battery'

/** A server as one browser sees it: it answers like Doorward, and keeps the cookie of that browser itself. */
export interface Server {
  /** What to make a client with. */
  options: AuthClientOptions
  fetch: typeof fetch
  /** Who the browser's cookie stands for. */
  session: User | null
  /** The code that refreshes are refused with; null: they are not, if there is a session. */
  refusal: { status: number; code: string } | null
  /** What the API answers: a body, or a Response. */
  api: (request: { method: string; path: string; user: User; body: unknown }) => unknown
  /** Each request that arrived, as "GET /api/profile". */
  seen: string[]
  count: (request: string) => number
  /** Keeps the answers to requests whose path begins so, until they are let go. */
  hold: (path: string) => void
  letGo: () => void
  /** Requests that were given up by who sent them. */
  aborted: string[]
}

const json = (status: number, body: unknown) =>
  new Response(JSON.stringify(body), { status, headers: { 'Content-Type': 'application/json' } })

const denial = (status: number, code: string) =>
  new Response(JSON.stringify({ status, code, detail: code, error: code, message: code, instance: 'dn_1' }), {
    status,
    headers: {
      'Content-Type': 'application/problem+json',
      ...(status === 401 && { 'WWW-Authenticate': 'Bearer realm="doorward"' }),
    },
  })

export function startServer(session: User | null = null): Server {
  let issued = 0
  let holds: string[] = []
  const held: (() => void)[] = []
  const tokens = new Map<string, User>()

  const issue = (user: User) => {
    const accessToken = `token-${++issued}`
    tokens.set(accessToken, user)
    return json(200, { accessToken, tokenType: 'Bearer', expiresIn: 900, user })
  }

  const answer = (method: string, path: string, headers: Headers, body: unknown): Response => {
    switch (`${method} ${path}`) {
      case 'POST /auth/login': {
        const { email, password: given } = body as { email: string; password: string }
        const user = [ada, grace].find((u) => u.email === email)
        if (!user || given !== password) return denial(401, 'INVALID_CREDENTIALS')
        server.session = user
        return issue(user)
      }
      case 'POST /auth/refresh':
        if (server.refusal) return denial(server.refusal.status, server.refusal.code)
        return server.session ? issue(server.session) : denial(401, 'REFRESH_TOKEN_MISSING')
      case 'POST /auth/logout':
      case 'POST /auth/logout/all':
        server.session = null
        tokens.clear()
        return new Response(null, { status: 204 })
    }
    const user = tokens.get(headers.get('Authorization')?.replace('Bearer ', '') ?? '')
    if (!user) return denial(401, 'TOKEN_EXPIRED')
    const result = server.api({ method, path, user, body })
    if (result instanceof Response) return result
    return result === undefined ? new Response(null, { status: 204 }) : json(200, result)
  }

  const serve = async (input: RequestInfo | URL, init?: RequestInit): Promise<Response> => {
    const request = input instanceof Request ? new Request(input, init) : null
    const url = new URL(request?.url ?? String(input), 'http://localhost:3000')
    const path = url.pathname + url.search
    const method = request?.method ?? init?.method ?? 'GET'
    const signal = request?.signal ?? init?.signal
    const headers = request?.headers ?? new Headers(init?.headers)
    const text = request ? await request.text() : String(init?.body ?? '')

    server.seen.push(`${method} ${path}`)
    if (holds.some((held) => path.startsWith(held))) {
      await new Promise<void>((resolve, reject) => {
        held.push(resolve)
        signal?.addEventListener('abort', () => {
          server.aborted.push(`${method} ${path}`)
          reject(new DOMException('The operation was aborted', 'AbortError'))
        })
      })
    }
    signal?.throwIfAborted()
    return answer(method, path, headers, text ? JSON.parse(text) : undefined)
  }

  const server: Server = {
    options: { fetch: serve },
    fetch: serve,
    session,
    refusal: null,
    api: ({ path, user }) => ({ path, name: user.name }),
    seen: [],
    count: (request) => server.seen.filter((line) => line === request).length,
    hold: (path) => void holds.push(path),
    letGo() {
      holds = []
      for (const release of held.splice(0)) release()
    },
    aborted: [],
  }
  return server
}
