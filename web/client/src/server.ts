import { type AuthError, endings, errorFrom, isAuthError, unavailable } from './errors.ts'
import type { InitialSession, User } from './types.ts'
import { attemptCookie, leaveCookie } from './vault.ts'

export interface ServerAuthOptions {
  /** Base URL of the Doorward server, as this program reaches it. */
  server: string | URL
  /** Origins that `session.fetch` sends the access token to, beside the server's own. */
  origins?: readonly (string | URL)[]
  /** How long a render waits for the server, in seconds. Default: 5. */
  timeout?: number
  /** Used for every request. Default: the global `fetch`. */
  fetch?: typeof fetch
}

export interface ServerAuth {
  /**
   * Who asks for a page, by the cookies of their request. Any request will do
   * that has standard headers: `{ headers: await headers() }`. Never rejects.
   */
  session(request: { readonly headers: Pick<Headers, 'get'> }): Promise<ServerSession>
}

/** The session that a page is rendered with. */
export interface ServerSession {
  /** `unknown` where the server could not say: that is no reason to sign anybody out. */
  readonly status: 'signed_in' | 'signed_out' | 'unknown'
  readonly user: User | null
  readonly accessToken: string | null
  /** Seconds that the access token is still good for; 0 without one. */
  readonly expiresIn: number
  /** The denial that ended the session, where one did just now. */
  readonly end: AuthError | null
  /** Why the session is unknown. */
  readonly error: AuthError | null
  /**
   * For `AuthProvider` and `createAuthClient`, so that the page need not ask
   * first. It holds the access token. Undefined leaves it to the page to find out.
   */
  readonly initial: InitialSession | null | undefined
  /** `Set-Cookie` fields for the answer. Without them the next render asks again. */
  readonly setCookies: readonly string[]
  /**
   * Sets what the answer must carry: the cookies unless it is too late for them, and `Cache-Control: private,
   * no-store`, as it is one person's. Send it soon: see {@link createServerAuth}.
   */
  apply(headers: Headers): void
  /**
   * `fetch` with the access token for the origins it is for. Relative URLs are
   * the server's. Nothing is renewed or sent twice: the token is new. Rejects as
   * `fetch` does, and with {@link ServerSession.error} while the session is unknown.
   */
  fetch(input: RequestInfo | URL, init?: RequestInit): Promise<Response>
}

const refreshCookie = '__Host-Http-doorward'

/** How long an answer serves the renders that follow, in seconds; and how many are kept. */
const memory = 30
const capacity = 1000

/** How old an answer may be that still sets the cookie, in seconds. */
const promptness = 5

/** What the server said about one refresh token, and when it was asked. */
interface Answer
  extends Pick<
    ServerSession,
    'status' | 'user' | 'accessToken' | 'expiresIn' | 'end' | 'error' | 'setCookies'
  > {
  asked: number
  /** Whether a key of the page's went with it. */
  keyed: boolean
}

const nothing = { user: null, accessToken: null, expiresIn: 0, end: null, error: null, setCookies: [] }
const nobody: Answer = { ...nothing, status: 'signed_out', asked: 0, keyed: false }

/**
 * Sessions for pages that are rendered on a server, by nothing but standard
 * requests and answers. Make one for the program; where promises must not cross
 * requests (Cloudflare Workers), one for each request.
 *
 * A render trades the refresh token, so that many renders of one browser must
 * agree. In one program they do: one asks for all who come with the same
 * cookie, and what it got serves for the next 30 s (no longer than a third of
 * the access token's life), also those who come with the new cookie. An ending
 * is seen as late as that; the access token is refused at once.
 *
 * Across programs the rule of rotation makes them agree. A key that the page
 * has pending is sent, as that refresh must look like the same one. Else none
 * is: within 30 s all who send none get the same successor, and an answer that
 * the browser did not wait for costs nothing, however late the next. A key of
 * our own would not be known to the page, whose next refresh by another key
 * would then look like a thief's; one derived from the token alone would come
 * with every copy of it. For the same reason the pending key is the page's to
 * drop: a slow answer from here could drop the one after it.
 *
 * What remains is asked of the program: that the answer's head goes out before
 * the page of the same browser has renewed with what another answer brought, as
 * that token is then overwritten by the one before it. Call `session` first and
 * send the head soon. After 5 s `apply` sets no cookie that a refresh without a
 * key has got: the browser's own is as good, however late it asks.
 */
export function createServerAuth(options: ServerAuthOptions): ServerAuth {
  const base = String(options.server).replace(/\/+$/, '')
  const origins = [base, ...(options.origins ?? [])].map((each) => new URL(each).origin)
  const send: typeof fetch = (input, init) => (options.fetch ?? fetch)(input, init)

  // By token and not by its hash: what is kept holds the token's successor.
  const asking = new Map<string, Promise<Answer>>()
  const recent = new Map<string, Answer>() // the oldest first

  const ask = async (token: string, key: string | undefined): Promise<Answer> => {
    const about = { ...nothing, asked: performance.now(), keyed: Boolean(key) }
    let setCookies: string[] = []
    try {
      const response = await send(`${base}/auth/refresh`, {
        method: 'POST',
        headers: {
          Cookie: `${refreshCookie}=${token}`,
          'Doorward-Transport': 'cookie',
          ...(key && { 'Idempotency-Key': key }),
        },
        cache: 'no-store',
        redirect: 'manual', // it would carry the token on
        signal: AbortSignal.timeout((options.timeout ?? 5) * 1000),
      })
      setCookies = response.headers.getSetCookie().filter((each) => each.startsWith(`${refreshCookie}=`))
      if (response.status !== 200) throw await errorFrom(response)
      const { user, accessToken, expiresIn } = await response.json()
      if (!user || typeof accessToken !== 'string' || !(expiresIn > 0))
        throw new TypeError('not an answer to a refresh')
      return { ...about, status: 'signed_in', user, accessToken, expiresIn, setCookies }
    } catch (caught) {
      const error = isAuthError(caught) ? caught : unavailable('The sign-in server cannot be reached', caught)
      return endings.has(error.code)
        ? { ...about, status: 'signed_out', end: error, setCookies }
        : { ...about, status: 'unknown', error, setCookies }
    }
  }

  const isFresh = ({ asked, expiresIn }: Answer) =>
    performance.now() - asked < Math.min(memory, expiresIn / 3) * 1000

  // Strangers can make no entry: only a token that was good is remembered.
  const remember = (token: string, answer: Answer) => {
    recent.delete(token)
    recent.set(token, answer)
    for (const [oldest, { asked }] of recent) {
      if (recent.size <= capacity && performance.now() - asked < memory * 1000) break
      recent.delete(oldest)
    }
  }

  /** Forgets an access token, which is remembered by the cookie before it and its own. */
  const forget = (refused: string) => {
    for (const [token, { accessToken }] of recent) if (accessToken === refused) recent.delete(token)
  }

  const answerFor = (token: string, key: string | undefined): Promise<Answer> => {
    const known = recent.get(token)
    if (known && isFresh(known)) return Promise.resolve(known)
    let flight = asking.get(token)
    if (!flight) {
      flight = ask(token, key).then((answer) => {
        asking.delete(token)
        if (answer.status === 'signed_in') {
          remember(token, answer)
          const next = cookieOf(answer.setCookies[0], refreshCookie)
          if (next) remember(next, { ...answer, setCookies: [] })
        }
        return answer
      })
      asking.set(token, flight)
    }
    return flight
  }

  return {
    async session({ headers }) {
      const cookies = headers.get('Cookie')
      const token = cookieOf(cookies, refreshCookie)
      // Somebody signed out of it, and the server is still to be told.
      const left = cookieOf(cookies, leaveCookie)
      if (!token || left) return sessionOf(nobody)
      return sessionOf(await answerFor(token, cookieOf(cookies, attemptCookie)))
    },
  }

  function sessionOf({ asked, keyed, ...answer }: Answer): ServerSession {
    const { user, accessToken, setCookies, error } = answer
    const age = () => (performance.now() - asked) / 1000
    const expiresIn = Math.max(0, answer.expiresIn - age())
    return {
      ...answer,
      expiresIn,
      initial: error ? undefined : user && accessToken ? { user, accessToken, expiresIn } : null,
      apply(headers) {
        if (keyed || age() < promptness) for (const each of setCookies) headers.append('Set-Cookie', each)
        headers.set('Cache-Control', 'private, no-store')
      },
      async fetch(input, init) {
        if (error) throw error
        // Not by instanceof: a framework may have a Request of its own.
        const request = (input as Request).url ? (input as Request) : null
        const url = new URL(request ? request.url : (input as string | URL), `${base}/`)
        if (!accessToken || !origins.includes(url.origin)) return send(request ?? url, init)
        const fields = new Headers(init?.headers ?? request?.headers)
        if (fields.has('Authorization')) return send(request ?? url, init)
        fields.set('Authorization', `Bearer ${accessToken}`)
        // One person's answers: a framework's cache of fetches must not share them.
        const response = await send(request ?? url, { cache: 'no-store', ...init, headers: fields })
        if (response.status === 401) forget(accessToken)
        return response
      },
    }
  }
}

/** The value of a cookie in a `Cookie` or `Set-Cookie` field; undefined where it is absent or empty. */
function cookieOf(field: string | null | undefined, name: string): string | undefined {
  for (const pair of field?.split(';') ?? []) {
    const [key, ...value] = pair.trim().split('=')
    if (key === name && value.join('=')) return value.join('=')
  }
  return undefined
}
