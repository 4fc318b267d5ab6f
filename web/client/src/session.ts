import { AuthError, errorFrom, unavailable } from './errors.ts'
import { locked } from './lock.ts'
import { TokenManager, sessionOf } from './token-manager.ts'
import type { AuthClientOptions, AuthEvent, AuthSnapshot, RenewReason, SessionEnd, User } from './types.ts'
import { cookieVault, storageVault, type Ask, type Grant, type Vault } from './vault.ts'

/** How long the server may take for an answer, in milliseconds. */
const patience = 10_000

/** How often a renewal is tried while somebody waits for it, and how long the first pause is. */
const tries = 5
const pause = 300 // milliseconds; doubles each time

/** The longest pause between tries in the background, in milliseconds. */
const longestPause = 60_000

/** A token this young that was made because of a 401 is not renewed for another, in milliseconds. */
const young = 5000

/** The denials of a refresh that end a session. Nothing else does. */
const endings: ReadonlySet<string> = new Set([
  'REFRESH_TOKEN_MISSING',
  'INVALID_REFRESH_TOKEN',
  'REFRESH_TOKEN_REUSED',
  'USER_INACTIVE',
  'ACCOUNT_SUSPENDED',
])

/** What tabs tell each other. */
type Message =
  | { kind: 'renewed' | 'signed_in'; token: string; expiresIn: number; age: number; user: User }
  | { kind: 'ended'; session: string | undefined; code: SessionEnd['code']; detail: string }

const ignore = () => {}

export const sleep = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms))

/** Between half of `ms` and all of it, so that many do not come back at once. */
const jitter = (ms: number) => ms * (1 - Math.random() / 2)

/**
 * One session of one person: signs in, renews, shares with the other tabs,
 * notices its end. It knows nothing of the requests that are sent with it.
 */
export class Session {
  readonly tokens = new TokenManager()
  readonly emit: (event: AuthEvent) => void
  readonly #options: AuthClientOptions
  readonly #base: () => string
  readonly #name: string
  readonly #vault: Vault
  readonly #listeners = new Set<() => void>()
  readonly initial: AuthSnapshot
  #snapshot: AuthSnapshot
  /** Changes with each sign-in and sign-out: what was asked for before one is not taken after it. */
  #epoch = 0
  #renewal: Promise<void> | null = null
  #asking: AbortController | null = null
  /** When the token was made because of a 401, on the token's clock. */
  #mended = -Infinity
  /** Ends the pause before the next try. */
  #hurry: () => void = ignore
  /** Failures in a row. */
  #failures = 0
  #timer: ReturnType<typeof setTimeout> | undefined
  #channel: BroadcastChannel | null = null
  #stop: (() => void) | null = null

  constructor(options: AuthClientOptions, base: () => string) {
    this.#options = options
    this.#base = base
    this.#name = options.server ? `doorward ${new URL(options.server).origin}` : 'doorward'
    this.#vault = options.transport === 'bearer' ? storageVault(this.#name, options.storage) : cookieVault()
    this.emit = options.onEvent ?? ignore
    const { initial } = options
    const status = initial ? 'signed_in' : initial === null ? 'signed_out' : 'loading'
    this.#snapshot = this.initial = { status, user: initial?.user ?? null, end: null, error: null }
    if (initial?.accessToken) this.tokens.set(initial.accessToken, initial.expiresIn ?? 0)
  }

  /** The session, as its access token names it. */
  get #id(): string | undefined {
    return this.tokens.token ? sessionOf(this.tokens.token) : undefined
  }

  get snapshot(): AuthSnapshot {
    return this.#snapshot
  }

  subscribe(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  #set(change: Partial<AuthSnapshot>): void {
    const next = { ...this.#snapshot, ...change }
    if (JSON.stringify(next) === JSON.stringify(this.#snapshot)) return
    this.#snapshot = next
    for (const listener of [...this.#listeners]) listener()
  }

  // Signing in and out

  async login(credentials: { email: string; password: string }): Promise<User> {
    this.start()
    this.#interrupt()
    await this.#tellLeft().catch(ignore)
    try {
      return await locked(this.#name, async () => {
        const asked = performance.now()
        const grant = grantOf(await this.#post('login', credentials))
        this.#interrupt() // whatever was asked for while we waited
        await this.#vault.put(grant)
        this.#adopt(grant.accessToken, grant.expiresIn, asked, grant.user)
        this.emit({ type: 'signed_in', user: grant.user, elsewhere: false })
        this.#share('signed_in')
        return grant.user
      })
    } finally {
      this.#schedule()
    }
  }

  async logout(everywhere = false): Promise<void> {
    this.start()
    const { token } = this.tokens
    const message = this.#ended({ code: 'SIGNED_OUT', error: null })
    this.#end({ code: 'SIGNED_OUT', error: null }, true)
    await this.#vault.leave()
    this.#tell(message)
    await this.#tellLeft(everywhere ? 'logout/all' : 'logout', token)
  }

  /** Tells the server of a sign-out that it has not heard of. */
  async #tellLeft(route = 'logout', token: string | null = null): Promise<void> {
    if (!(await this.#vault.left())) return
    await locked(this.#name, async () => {
      // Somebody may have signed in while we waited: that session is not meant.
      if (!(await this.#vault.left())) return
      const ask = await this.#vault.ask(true)
      try {
        await this.#post(route, ask ?? {}, token)
      } catch (error) {
        // A refusal means that there was no session; only silence is a reason to try again.
        if (!(error instanceof AuthError) || error.status < 400 || error.status > 403) throw error
      }
      await this.#vault.clear()
    })
  }

  /** Finds out whether somebody is signed in. Rejects where that cannot be known now. */
  async restore(): Promise<void> {
    this.start()
    if (this.#snapshot.status !== 'loading') return
    if (await this.#vault.left()) {
      this.#end({ code: 'SIGNED_OUT', error: null })
      return this.#tellLeft()
    }
    await this.renew('restore').catch((error: unknown) => {
      if (this.#snapshot.status === 'loading') throw error
    })
  }

  // Renewing

  /** Renews once for all who ask meanwhile. */
  renew(reason: RenewReason): Promise<void> {
    this.start()
    this.#renewal ??= this.#renew(reason).finally(() => {
      this.#renewal = null
      this.#schedule()
    })
    return this.#renewal
  }

  /** Whether a 401 for the current token is worth a renewal: not in a loop. */
  mendable(): boolean {
    return performance.now() - this.#mended > young
  }

  async #renew(reason: RenewReason): Promise<void> {
    const epoch = this.#epoch
    const old = this.tokens.token
    // Look again: whoever had the lock before may have renewed for all.
    const settled = () => this.#epoch !== epoch || (this.tokens.token !== old && !this.tokens.isDue())
    this.emit({ type: 'renewing', reason })
    for (let attempt = 1; ; attempt++) {
      try {
        await locked(this.#name, async () => {
          for (let turn = 0; !settled() && !(await this.#refresh(epoch)); turn++) {
            if (turn > 2) throw unavailable('Another program keeps changing the session that is stored')
          }
        })
        if (reason === 'denied') this.#mended = performance.now()
        this.#failures = 0
        return
      } catch (caught) {
        if (settled()) return
        const error = caught instanceof AuthError ? caught : unavailable('The session cannot be kept', caught)
        if (endings.has(error.code)) {
          this.#end({ code: error.code as SessionEnd['code'], error })
          throw error
        }
        this.#failures++
        const wait = Math.max(jitter(pause * 2 ** attempt), (error.retryAfter ?? 0) * 1000)
        const again = attempt < tries && wait < patience && error.recovery === 'wait' && !offline()
        this.#set({ error })
        this.emit({ type: 'renewal_failed', error, retryIn: again ? wait / 1000 : null })
        if (!again) throw error
        await Promise.race([sleep(wait), new Promise<void>((go) => (this.#hurry = go))])
      }
    }
  }

  /** One request. False where the token asked with was no longer the one that counts. */
  async #refresh(epoch: number): Promise<boolean> {
    const ask = await this.#vault.ask()
    if (!ask) throw new AuthError('REFRESH_TOKEN_MISSING')
    const asking = (this.#asking = new AbortController())
    const asked = performance.now()
    let grant: Grant
    try {
      grant = grantOf(await this.#post('refresh', ask, null, asking.signal))
    } catch (error) {
      if (this.#epoch === epoch && error instanceof AuthError && endings.has(error.code)) {
        if (!(await this.#vault.settle(ask))) return false
      }
      throw error
    }
    if (this.#epoch !== epoch) return true
    if (!(await this.#vault.settle(ask, grant))) return false
    this.#adopt(grant.accessToken, grant.expiresIn, asked, grant.user)
    this.emit({ type: 'renewed', expiresIn: grant.expiresIn, elsewhere: false })
    this.#share('renewed')
    return true
  }

  /** Nothing that is under way now is taken when it arrives. */
  #interrupt(): void {
    this.#epoch++
    this.#asking?.abort()
  }

  #adopt(token: string, expiresIn: number, asked: number, user: User): void {
    this.tokens.set(token, expiresIn, asked)
    this.#set({ status: 'signed_in', user, end: null, error: null })
    this.#schedule()
  }

  #end(end: SessionEnd, elsewhere = false): void {
    const { status } = this.#snapshot
    if (status === 'signed_out') return
    if (!elsewhere) this.#tell(this.#ended(end))
    this.#interrupt()
    this.tokens.clear()
    this.#schedule()
    // Somebody who never was signed in here is not told that it ended.
    const told = status === 'signed_in' || (end.code !== 'REFRESH_TOKEN_MISSING' && end.code !== 'SIGNED_OUT')
    this.#set({ status: 'signed_out', user: null, end: told ? end : null, error: null })
    if (!told) return
    this.emit({ type: 'ended', end, elsewhere })
    this.#options.onSessionEnd?.(end)
  }

  async #post(route: string, body: Ask | object, token: string | null = null, signal?: AbortSignal): Promise<unknown> {
    const { key, ...data } = body as Ask
    const cookie = this.#options.transport !== 'bearer'
    const timeout = new AbortController()
    const abort = () => timeout.abort()
    const timer = setTimeout(abort, patience)
    signal?.addEventListener('abort', abort)
    try {
      const response = await (this.#options.fetch ?? fetch)(`${this.#base()}/auth/${route}`, {
        method: 'POST',
        headers: {
          'Content-Type': 'application/json',
          'Doorward-Transport': cookie ? 'cookie' : 'bearer',
          ...(key && { 'Idempotency-Key': key }),
          ...(token && { Authorization: `Bearer ${token}` }),
        },
        body: JSON.stringify(data),
        credentials: cookie ? 'include' : 'omit',
        cache: 'no-store',
        redirect: 'error', // a redirect would carry the secret on
        signal: timeout.signal,
      })
      if (!response.ok) throw await errorFrom(response)
      return response.status === 204 ? null : await response.json()
    } catch (error) {
      throw error instanceof AuthError ? error : unavailable('The sign-in server cannot be reached', error)
    } finally {
      clearTimeout(timer)
      signal?.removeEventListener('abort', abort)
    }
  }

  // Time, other tabs, and waking up

  /** Follows the clock, the other tabs and the page. */
  start(): void {
    if (this.#stop) return
    const stops: (() => void)[] = []
    const on = (target: EventTarget | undefined, type: string, listener: (event: Event) => void) => {
      target?.addEventListener?.(type, listener)
      stops.push(() => target?.removeEventListener?.(type, listener))
    }
    const window = globalThis as unknown as EventTarget
    const page = (globalThis as { document?: EventTarget }).document
    const wake = () => this.#wake()
    on(page, 'visibilitychange', wake)
    on(page, 'resume', wake)
    on(window, 'focus', wake)
    on(window, 'online', wake)
    on(window, 'pagehide', () => this.#close()) // an open channel keeps a page out of the back/forward cache
    on(window, 'pageshow', (event) => {
      this.#open()
      // Whatever happened while the page lay in the cache was not heard.
      if ((event as PageTransitionEvent).persisted && this.#snapshot.status === 'signed_in') this.renew('restore').catch(ignore)
    })
    this.#open()
    this.#stop = () => {
      for (const stop of stops) stop()
      this.#close()
      clearTimeout(this.#timer)
      this.#stop = null
    }
    this.#schedule()
  }

  stop(): void {
    this.#stop?.()
  }

  /** A timer is a hint: it may come late, or never in a hidden page. */
  #wake(): void {
    if ((globalThis as { document?: Document }).document?.hidden) return
    this.#hurry()
    const { status } = this.#snapshot
    if (status === 'signed_in' && this.tokens.isDue()) this.renew('due').catch(ignore)
    else if (status === 'loading' && this.#failures) this.restore().catch(ignore)
    else if (status === 'signed_out') this.#tellLeft().catch(ignore)
    else this.#schedule()
  }

  #schedule(): void {
    clearTimeout(this.#timer)
    const { status } = this.#snapshot
    if (!this.#stop || this.#renewal || status === 'signed_out' || (status === 'loading' && !this.#failures)) return
    // One of many tabs comes first, and the others take what it got.
    const due = this.tokens.untilDue + Math.random() * (this.tokens.left - this.tokens.untilDue) * 0.25
    const rest = this.#failures ? jitter(Math.min(1000 * 2 ** this.#failures, longestPause)) : 0
    this.#timer = setTimeout(() => this.#wake(), Math.min(Math.max(due, rest), 2 ** 31 - 1))
    ;(this.#timer as { unref?: () => void }).unref?.() // a program that is done may end
  }

  #open(): void {
    if (this.#channel || typeof BroadcastChannel === 'undefined') return
    try {
      this.#channel = new BroadcastChannel(this.#name)
    } catch {
      return // storage is denied: this tab is by itself
    }
    this.#channel.onmessage = (event: MessageEvent<Message>) => void this.#hear(event.data)
    // Node keeps a process alive for an open channel.
    ;(this.#channel as { unref?: () => void }).unref?.()
  }

  #close(): void {
    this.#channel?.close()
    this.#channel = null
  }

  #tell(message: Message): void {
    this.#channel?.postMessage(message)
  }

  #ended({ code, error }: SessionEnd): Message {
    return { kind: 'ended', session: this.#id, code, detail: error?.message ?? '' }
  }

  #share(kind: 'renewed' | 'signed_in'): void {
    const { token, expiresIn, left } = this.tokens
    this.#tell({ kind, token: token!, expiresIn, age: expiresIn * 1000 - left, user: this.#snapshot.user! })
  }

  async #hear(message: Message): Promise<void> {
    const bearer = this.#options.transport === 'bearer'
    const mine = this.#id
    if (message.kind === 'ended') {
      if (mine && message.session && mine !== message.session) return // a session before this one
      if (bearer && (await this.#vault.holds(mine))) return // a tab with a storage of its own
      const { code } = message
      const error = code === 'SIGNED_OUT' ? null : new AuthError(code, { problem: { detail: message.detail } })
      return this.#end({ code, error }, true)
    }
    const theirs = sessionOf(message.token)
    if (bearer && !(await this.#vault.holds(theirs))) return
    const { status } = this.#snapshot
    const known = status === 'signed_in' && mine === theirs
    if (message.kind === 'signed_in') this.#interrupt()
    else if (status === 'signed_out' || (mine && mine !== theirs)) return // old news
    else this.#asking?.abort() // it would get the same
    const { token, expiresIn, age, user } = message
    this.#adopt(token, expiresIn, performance.now() - age, user)
    this.emit(known ? { type: 'renewed', expiresIn, elsewhere: true } : { type: 'signed_in', user, elsewhere: true })
  }
}

const offline = () => (globalThis as { navigator?: { onLine?: boolean } }).navigator?.onLine === false

function grantOf(answer: unknown): Grant {
  const grant = answer as Grant | null
  if (typeof grant?.accessToken !== 'string' || !(grant.expiresIn > 0) || !grant.user) {
    throw unavailable('What answered is not the sign-in server') // a captive portal, a single-page application
  }
  return grant
}
