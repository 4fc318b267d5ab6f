import { AuthError, endings, errorFrom, isAuthError, unavailable, type Problem } from './errors.ts'
import { locked, sleep } from './lock.ts'
import { TokenManager, sessionOf } from './token-manager.ts'
import type {
  AuthClientOptions,
  AuthEvent,
  AuthSnapshot,
  Credentials,
  RenewReason,
  SessionEnd,
  User,
} from './types.ts'
import { cookieVault, storageVault, type Grant } from './vault.ts'

/** How long the server may take for an answer, in milliseconds. */
const patience = 10_000

/** How often a renewal is tried while somebody waits for it, and how long the first pause is. */
const tries = 5
const pause = 300 // milliseconds; doubles each time

/** The longest pause between tries in the background, in milliseconds. */
const longestPause = 60_000

/** How long a change of a shared storage may take to be seen, in milliseconds. */
const storageLag = 200

/** A token this young that was made because of a 401 is not renewed for another, in milliseconds. */
const young = 5000

/** What tabs tell each other. */
type Message =
  | { kind: 'renewed' | 'signed_in'; grant: Grant; age: number }
  | { kind: 'ended'; session: string | undefined; code: SessionEnd['code']; problem: Problem | undefined }

const ignore = () => {}

const signedOut: SessionEnd = { code: 'SIGNED_OUT', error: null }

/**
 * Between half of `ms` and all of it, so that many do not come back at once; or
 * as long as the server asks for, up to 5 minutes.
 */
const restAfter = (error: AuthError | null, ms: number) =>
  Math.max(ms * (1 - Math.random() / 2), Math.min(error?.retryAfter ?? 0, 300) * 1000)

/**
 * One session of one person: signs in, renews, shares with the other tabs,
 * notices its end. It knows nothing of the requests that are sent with it.
 */
export interface Session {
  readonly tokens: TokenManager
  readonly initial: AuthSnapshot
  snapshot(): AuthSnapshot
  subscribe(listener: () => void): () => void
  emit(event: AuthEvent): void
  login(credentials: Credentials): Promise<User>
  logout(everywhere?: boolean): Promise<void>
  /** Finds out whether somebody is signed in. Rejects where that cannot be known now. */
  restore(): Promise<void>
  /** Renews once for all who ask meanwhile. */
  renew(reason: RenewReason): Promise<void>
  /** Whether a 401 for the current token is worth a renewal: not in a loop. */
  mendable(): boolean
  /** Follows the clock, the other tabs and the page. */
  start(): void
  stop(): void
}

export function createSession(options: AuthClientOptions, base: () => string): Session {
  const { initial } = options
  const emit = (event: AuthEvent) => call(options.onEvent, event)
  // Without cookies the session lives as long as the page.
  const bearer = options.transport === 'bearer' || globalThis.navigator?.cookieEnabled === false
  const name = options.server ? `doorward ${new URL(options.server).origin}` : 'doorward'
  const vault = bearer ? storageVault(name, options.storage) : cookieVault()
  const tokens = new TokenManager()
  const listeners = new Set<() => void>()
  const first: AuthSnapshot = {
    status: initial ? 'signed_in' : initial === null ? 'signed_out' : 'loading',
    user: initial?.user ?? null,
    end: null,
    error: null,
  }
  let snapshot = first
  /** Changes with each sign-in and sign-out: what was asked for before one is not taken after it. */
  let epoch = 0
  let renewal: Promise<void> | null = null
  let asking: AbortController | undefined
  /** Counts sign-outs: what a sign-in that was begun before one brings is not kept. */
  let departures = 0
  /** When the token was made because of a 401, on the token's clock. */
  let mended = -Infinity
  /** Failures in a row. */
  let failures = 0
  /** Ends the pause before the next try. */
  let hurry: () => void = ignore
  let timer: ReturnType<typeof setTimeout> | undefined
  let channel: BroadcastChannel | null = null
  let stop: (() => void) | null = null

  if (initial?.accessToken) tokens.set(initial.accessToken, initial.expiresIn ?? 0)

  /** The session, as its access token names it. */
  const id = () => (tokens.token ? sessionOf(tokens.token) : undefined)

  const set = (change: Partial<AuthSnapshot>): void => {
    const next = { ...snapshot, ...change }
    if (JSON.stringify(next) === JSON.stringify(snapshot)) return
    snapshot = next
    for (const listener of listeners) call(listener)
  }

  /** Nothing that is under way now is taken when it arrives. */
  const interrupt = (): void => {
    epoch++
    asking?.abort()
  }

  /** Takes an answer to what was asked at `asked`, and shares it with the other tabs unless it is from one. */
  const adopt = (
    { accessToken, expiresIn, user }: Grant,
    asked: number,
    kind: 'renewed' | 'signed_in',
    elsewhere: boolean,
  ): void => {
    tokens.set(accessToken, expiresIn, asked)
    failures = 0
    set({ status: 'signed_in', user, end: null, error: null })
    emit({ type: kind, user, expiresIn, elsewhere })
    if (!elsewhere) tell({ kind, grant: { accessToken, expiresIn, user }, age: performance.now() - asked })
    schedule()
  }

  /** Ends the session in this tab. */
  const end = (ending: SessionEnd, elsewhere: boolean): void => {
    const { status } = snapshot
    if (status === 'signed_out') return
    // Who never was signed in here has nothing to tell, and is not told.
    const known = status === 'signed_in'
    if (known && !elsewhere)
      tell({ kind: 'ended', session: id(), code: ending.code, problem: ending.error?.problem })
    interrupt()
    tokens.clear()
    schedule()
    // But a page that finds a session ended may say why.
    set({
      status: 'signed_out',
      user: null,
      end: known || ending.error?.status === 403 ? ending : null,
      error: null,
    })
    if (known) {
      emit({ type: 'ended', end: ending, elsewhere })
      call(options.onSessionEnd, ending)
    }
  }

  /** Asks the server, for `patience` at the most. */
  const post = async (route: string, body: object, key?: string, token?: string | null): Promise<unknown> => {
    const controller = new AbortController()
    if (route !== 'login') asking = controller
    const clock = setTimeout(() => controller.abort(), patience)
    try {
      const response = await (options.fetch ?? fetch)(`${base()}/auth/${route}`, {
        method: 'POST',
        headers: {
          'Content-Type': 'application/json',
          'Doorward-Transport': bearer ? 'bearer' : 'cookie',
          ...(key && { 'Idempotency-Key': key }),
          ...(token && { Authorization: `Bearer ${token}` }),
        },
        body: JSON.stringify(body),
        credentials: bearer ? 'omit' : 'include',
        redirect: 'error', // a redirect would carry the secret on
        keepalive: !!token, // who signs out often leaves at once
        signal: controller.signal,
      })
      if (!response.ok) throw await errorFrom(response)
      return response.status === 204 || (await response.json())
    } catch (error) {
      throw isAuthError(error) ? error : unavailable('The server cannot be reached', error)
    } finally {
      clearTimeout(clock)
    }
  }

  // Signing in and out

  const login = async (credentials: Credentials): Promise<User> => {
    start()
    const begun = departures
    asking?.abort() // a refresh is tried again if this fails
    await tellLeft().catch(ignore)
    try {
      return await locked(name, async () => {
        const asked = performance.now()
        const grant = grantOf(await post('login', credentials))
        interrupt() // whatever was asked for while we waited
        await vault.put(grant)
        if (departures !== begun) {
          logout().catch(ignore) // which waits for the lock
          throw unavailable('Nobody is signed in')
        }
        adopt(grant, asked, 'signed_in', false)
        return grant.user
      })
    } finally {
      schedule()
    }
  }

  const logout = async (everywhere?: boolean): Promise<void> => {
    start()
    departures++
    interrupt()
    const { token } = tokens
    try {
      await vault.leave(everywhere ? 'logout/all' : 'logout')
    } finally {
      end(signedOut, false)
    }
    await tellLeft(token)
  }

  /** Tells the server of a sign-out that it has not heard of. */
  const tellLeft = async (token?: string | null): Promise<void> => {
    if (!(await vault.left())) return
    await locked(name, async () => {
      // Somebody may have signed in while we waited: that session is not meant.
      const route = await vault.left()
      if (!route) return
      try {
        const { key, ...body } = (await vault.ask(true)) ?? {}
        await post(route, body, key, token)
      } catch (error) {
        const { status, code } = error as AuthError
        // Where there is no session any more there is none to sign out of.
        if (status !== 401 && !endings.has(code)) throw error
      }
      if (await vault.left()) await vault.put()
    })
  }

  const restore = async (): Promise<void> => {
    start()
    if (snapshot.status !== 'loading') return
    if (await vault.left().catch(ignore)) {
      end(signedOut, false)
      return tellLeft()
    }
    await renew('restore').catch((error: unknown) => {
      if (snapshot.status === 'loading') throw error
    })
  }

  // Renewing

  const renew = (reason: RenewReason): Promise<void> => {
    start()
    renewal ??= renewing(reason).finally(() => {
      renewal = null
      schedule()
    })
    return renewal
  }

  const renewing = async (reason: RenewReason): Promise<void> => {
    const began = epoch
    const old = tokens.token
    // Look again: whoever had the lock before may have renewed for all.
    const settled = () => epoch !== began || (tokens.token !== old && !tokens.isDue())
    emit({ type: 'renewing', reason })
    for (let attempt = 1; ; attempt++) {
      try {
        const pending = await vault.pending()
        await locked(name, async () => {
          // Whoever asked with that key has the answer, and the message is on its way: to ask for
          // one more at once would leave requests that are still on theirs two behind.
          if (pending && !(await vault.pending())) await sleep(storageLag)
          for (let turn = 0; !settled() && !(await refresh(began)); turn++) {
            if (turn > 2) throw unavailable('The session cannot be renewed')
          }
        })
        if (reason === 'denied') mended = performance.now()
        return
      } catch (caught) {
        if (settled()) return
        const error = caught as AuthError
        if (endings.has(error.code)) {
          end({ code: error.code, error } as SessionEnd, false)
          throw error
        }
        failures++
        const wait = restAfter(error, pause * 2 ** attempt)
        const again = attempt < tries && wait < patience && error.recovery === 'wait'
        set({ error })
        emit({ type: 'renewal_failed', error, retryIn: again ? wait / 1000 : null })
        if (!again) throw error
        await new Promise<void>((go) => {
          hurry = go
          setTimeout(go, wait)
        })
      }
    }
  }

  /** One request. False where the token asked with was no longer the one that counts. */
  const refresh = async (began: number): Promise<boolean> => {
    const ask = await vault.ask()
    if (!ask) {
      // Another tab may have emptied it, and its message be on the way.
      if (await vault.left()) end(signedOut, true)
      else if (snapshot.status === 'signed_in') await sleep(storageLag)
      if (epoch !== began) return true
      throw new AuthError('REFRESH_TOKEN_MISSING')
    }
    const { key, ...body } = ask
    const asked = performance.now()
    let grant: Grant
    try {
      grant = grantOf(await post('refresh', body, key))
    } catch (error) {
      if (!endings.has((error as AuthError).code)) await vault.pending(key)
      else if (epoch === began && !(await vault.settle(ask, null))) return false
      throw error
    }
    if (epoch !== began) return true
    if (!(await vault.settle(ask, grant))) return false
    adopt(grant, asked, 'renewed', false)
    return true
  }

  // Time, other tabs, and waking up

  /** A timer is a hint: it may come late, or never in a hidden page. */
  const wake = (): void => {
    if (globalThis.document?.hidden) return
    hurry()
    const { status } = snapshot
    if (status === 'signed_out') tellLeft().catch(ignore)
    else if (status === 'loading') failures && restore().catch(ignore)
    else if (tokens.isDue()) renew('due').catch(ignore)
    else schedule()
  }

  const schedule = (): void => {
    clearTimeout(timer)
    const { status } = snapshot
    if (!stop || renewal || status === 'signed_out' || (status === 'loading' && !failures)) return
    // One of many tabs comes first, and the others take what it got.
    const due = tokens.untilDue + (Math.random() * (tokens.left - tokens.untilDue)) / 4
    const rest = failures ? restAfter(snapshot.error, Math.min(1000 * 2 ** failures, longestPause)) : 0
    timer = setTimeout(wake, Math.min(Math.max(due, rest), 2e9))
    ;(timer as { unref?: () => void }).unref?.() // a program that is done may end
  }

  const start = (): void => {
    if (stop) return
    const listening = new AbortController()
    const on = (target: EventTarget | undefined, types: string, listener: (event: Event) => void) => {
      for (const type of types.split(' '))
        target?.addEventListener?.(type, listener, { signal: listening.signal })
    }
    const page = globalThis as unknown as EventTarget
    on(globalThis.document, 'visibilitychange resume', wake)
    on(page, 'focus online', wake)
    on(page, 'pagehide', close) // an open channel keeps a page out of the back/forward cache
    on(page, 'pageshow', (event) => {
      open()
      // Whatever happened while the page lay in the cache was not heard.
      if ((event as PageTransitionEvent).persisted) renew('restore').catch(ignore)
    })
    open()
    stop = () => {
      listening.abort()
      close()
      clearTimeout(timer)
      stop = null
    }
    schedule()
  }

  const open = (): void => {
    // Cookies are of a page. In a server's process everybody would hear everybody.
    if (!bearer && !globalThis.location) return
    try {
      channel ??= new BroadcastChannel(name)
    } catch {
      return // there are none, or storage is denied: this tab is by itself
    }
    channel.onmessage = (event: MessageEvent<Message>) => void hear(event.data).catch(ignore)
    ;(channel as { unref?: () => void }).unref?.()
  }

  const close = (): void => {
    channel?.close()
    channel = null
  }

  const tell = (message: Message): void => channel?.postMessage(message)

  /** Whether the storage says so too; a tab may have one of its own. What is shared may lag behind the message. */
  const agrees = async (session: string | undefined, held: boolean): Promise<boolean> => {
    for (let looks = 9; bearer && (await vault.holds(session)) !== held; looks--) {
      if (!looks) return false
      await sleep(storageLag)
    }
    return true
  }

  const hear = async (message: Message): Promise<void> => {
    const mine = id()
    if (message.kind === 'ended') {
      const { session, code, problem } = message
      if (mine && session && mine !== session) return // a session before this one
      if (!(await agrees(mine, false)) || mine !== id()) return
      return end({ code, error: code === 'SIGNED_OUT' ? null : new AuthError(code, { problem }) }, true)
    }
    const { kind, grant, age } = message
    const theirs = sessionOf(grant.accessToken)
    if (!(await agrees(theirs, true))) return
    const { status } = snapshot
    if (kind === 'signed_in') interrupt()
    else if (status === 'signed_out' || (mine && mine !== theirs))
      return // old news
    else asking?.abort() // it would get the same
    adopt(
      grant,
      performance.now() - age,
      status === 'signed_in' && mine === theirs ? 'renewed' : 'signed_in',
      true,
    )
  }

  return {
    tokens,
    initial: first,
    snapshot: () => snapshot,
    emit,
    login,
    logout,
    restore,
    renew,
    start,
    stop: () => stop?.(),
    mendable: () => performance.now() - mended > young,
    subscribe(listener) {
      const one = () => listener()
      listeners.add(one)
      return () => listeners.delete(one)
    },
  }
}

/** Calls what the program gave us. Its faults are reported, and do not become ours. */
function call<A extends unknown[]>(listener: ((...about: A) => void) | undefined, ...about: A): void {
  try {
    listener?.(...about)
  } catch (error) {
    setTimeout(() => {
      throw error
    })
  }
}

function grantOf(answer: unknown): Grant {
  const grant = answer as Grant | null
  if (!grant?.accessToken || !(grant.expiresIn > 0) || !grant.user) {
    throw unavailable('The server cannot be reached') // a captive portal, a single-page application
  }
  return grant
}
