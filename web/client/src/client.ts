import { AuthError, errorFrom, unavailable } from './errors.ts'
import { sleep } from './lock.ts'
import { safeReturnURL, signInURL } from './return-url.ts'
import { createSession } from './session.ts'
import type { AuthClient, AuthClientOptions, Mend, Sending } from './types.ts'

/** How long a request waits for a renewal while its token is still good, in milliseconds. */
const politeness = 2000

/** How long a request waits for a token to become active, in seconds. */
const shortWait = 1
const longWait = 5

/** The routes where a 401 answers what was asked, not the token. */
const signingIn = /^(login|signup|refresh|logout(\/all)?)($|[?#])/

/** The page's address, where there is a page. */
const here = () => globalThis.location as Location | undefined

/**
 * Makes a client. One per page is enough; nothing is asked and no listener
 * added before the first use.
 */
export function createAuthClient(options: AuthClientOptions = {}): AuthClient {
  const base = (): string => {
    const server = options.server ?? here()?.origin
    if (!server) throw new TypeError('No `server`')
    return new URL(server).href.replace(/\/+$/, '')
  }
  const session = createSession(options, base)
  const status = () => session.snapshot().status
  const send: typeof fetch = (input, init) => (options.fetch ?? fetch)(input, init)
  const resolve = (url: string | URL) => new URL(url, globalThis.document?.baseURI ?? here()?.href ?? base())

  const origins = options.origins?.map((each) => new URL(each).origin) ?? []

  const covers = (url: string | URL): boolean => {
    const { href, origin } = resolve(url)
    if (!/^http/.test(href) || ![here()?.origin, new URL(base()).origin, ...origins].includes(origin))
      return false
    const routes = `${base()}/auth/`
    return !href.startsWith(routes) || !signingIn.test(href.slice(routes.length))
  }

  const nobody = () =>
    session.snapshot().end?.error ??
    new AuthError('TOKEN_MISSING', { recovery: 'sign_in', problem: { detail: 'Nobody is signed in' } })

  /** The token to send with, or null for nobody. Rejects where it is over and cannot be renewed. */
  const current = async (): Promise<string | null> => {
    const { tokens } = session
    session.start()
    if (status() === 'loading') await session.restore()
    if (status() !== 'signed_in') return null
    if (tokens.isDue()) {
      const renewal = session.renew(tokens.isExpired() ? 'expired' : 'due')
      if (!tokens.isExpired())
        await Promise.race([renewal.catch(() => {}), sleep(session.snapshot().error ? 0 : politeness)])
      if (tokens.isExpired()) await renewal
    }
    if (status() !== 'signed_in') throw nobody()
    if (tokens.isExpired()) throw unavailable('The session cannot be renewed')
    return tokens.token
  }

  const whatMends = (error: AuthError, token: string): Mend => {
    if (error.recovery === 'wait_clock') return 'wait'
    // Of a token that was good when we got it the refresh is the judge.
    if (error.recovery !== 'renew' && error.code !== 'TOKEN_INVALID' && error.code !== 'TOKEN_REVOKED')
      return 'give_up'
    const now = session.tokens.token
    if (now !== token) return now ? 'again' : 'give_up'
    return session.mendable() ? 'renew' : 'give_up'
  }

  const apply = async (mend: Mend, error: AuthError, signal?: AbortSignal | null): Promise<boolean> => {
    if (mend === 'wait') await until(signal, sleep(1000 * Math.min(error.retryAfter ?? shortWait, longWait)))
    if (mend === 'renew') {
      try {
        await until(signal, session.renew('denied'))
      } catch (failure) {
        if (status() !== 'signed_out') throw failure
      }
    }
    return mend !== 'give_up' && session.tokens.token !== null
  }

  let calls = 0

  const authFetch: typeof fetch = async (input, init) => {
    // Not by instanceof: a frame or a library may have a Request of its own.
    const request = (input as Request).url ? (input as Request) : null
    const url = resolve(request ? request.url : (input as string | URL))
    const headers = new Headers(init?.headers ?? request?.headers)
    if (!covers(url) || headers.has('Authorization')) return send(input, init)

    const signal = init?.signal ?? request?.signal
    let token = await until(signal, current())
    if (!token) return send(input, init)
    const user = session.snapshot().user?.id

    // A stream, which is never sent without saying duplex, can be read once: each send needs one of its own.
    let first: RequestInfo | URL = input
    let rest = init
    if ((init as { duplex?: unknown } | undefined)?.duplex) {
      first = new Request(request ?? url, init)
      rest = {}
    }
    const again = (first as Partial<Request>).clone?.() ?? first

    const step: Sending = {
      call: ++calls,
      send: 1,
      method: init?.method ?? request?.method ?? 'GET',
      url: url.href,
    }
    for (;;) {
      headers.set('Authorization', `Bearer ${token}`)
      session.emit({ type: 'sending', ...step })
      let response: Response
      try {
        response = await send(step.send === 1 ? first : again, { ...rest, headers })
      } catch (error) {
        session.emit({ type: 'failed', ...step, error })
        throw error
      }
      session.emit({ type: 'answered', ...step, status: response.status })
      if (response.status !== 401) return response
      // A body that does not end has nothing to say; the fields have.
      const fields = sleep(politeness).then(() => errorFrom(new Response(null, response)))
      const error = await Promise.race([errorFrom(response.clone()), fields])
      const next = step.send === 1 ? whatMends(error, token) : 'give_up'
      session.emit({ type: 'denied', ...step, error, next })
      if (!(await apply(next, error, signal))) return response
      token = await until(signal, current())
      // Nobody's request is sent again as somebody else's.
      if (!token || session.snapshot().user?.id !== user) return response
      response.body?.cancel().catch(() => {})
      step.send = 2
    }
  }

  const signInPath = options.signInPath ?? '/login'
  const toSignIn = (returnTo?: string): string => {
    const page = here()
    return signInURL(signInPath, returnTo ?? (page ? page.pathname + page.search + page.hash : ''))
  }

  return {
    async ready() {
      session.restore().catch(() => {}) // it is tried again
      while (status() === 'loading') {
        await new Promise<void>((changed) => {
          const stop = session.subscribe(() => changed(stop()))
        })
      }
      return session.snapshot()
    },
    login: session.login,
    logout: (how) => session.logout(how?.everywhere),
    isAuthenticated: () => status() === 'signed_in',
    fetch: authFetch,
    async getToken() {
      const token = await current()
      if (!token) throw nobody()
      return token
    },
    expiresIn: () => session.tokens.left / 1000,
    renewsIn: () => session.tokens.untilDue / 1000,
    renew: () => session.renew('asked'),
    mend: (error, token, signal) => apply(whatMends(error, token), error, signal),
    covers,
    getSnapshot: session.snapshot,
    subscribe: session.subscribe,
    getInitialSnapshot: () => session.initial,
    signInURL: toSignIn,
    redirectToLogin(returnTo) {
      const page = here()
      if (page && page.pathname !== new URL(signInPath, page.href).pathname) page.replace(toSignIn(returnTo)) // a page that cannot be shown is none to go back to
    },
    returnURL: (fallback) => safeReturnURL(new URLSearchParams(here()?.search).get('return'), fallback),
    close: session.stop,
  }
}

/** Waits for `work`, or until the caller gives up; the work goes on for others. */
function until<T>(signal: AbortSignal | null | undefined, work: Promise<T>): Promise<T> {
  if (!signal) return work
  return new Promise<T>((resolve, reject) => {
    const leave = () => reject(signal.reason as Error)
    signal.addEventListener('abort', leave, { once: true })
    if (signal.aborted) leave()
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', leave))
  })
}
