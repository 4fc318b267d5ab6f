import {
  createAuthClient,
  isAuthError,
  type AuthClient,
  type AuthClientOptions,
  type Credentials,
} from '@doorward/client'
import { Journal } from './journal.ts'
import { NaiveClient } from './naive.ts'
import { Store } from './store.ts'
import { Scribe } from './words.ts'
import { faulty, type Wire } from './world.ts'

// The two clients side by side: each with a session of its own, in one world,
// and counted in the same way.

const denies = ({ status }: Wire) => status === 401 || status === 403

/** What both have. */
abstract class Side {
  readonly journal = new Journal()
  /** How the last refresh went. */
  #last: Wire | null = null

  abstract signedIn(): boolean
  /** Sends a GET. Rejects where no answer comes, or none that is let through. */
  protected abstract get(path: string): Promise<Response>
  /** Renews as if the token were due. Never rejects. */
  abstract renew(): Promise<void>
  /** The field by which it proves who it is. */
  abstract authorization(): Promise<string>

  /** Sends a GET and counts how it went. Never rejects; does nothing while signed out. */
  async call(path: string): Promise<boolean> {
    if (!this.signedIn()) return false
    const { journal } = this
    journal.count('calls')
    try {
      const response = await this.get(path)
      if (response.ok) journal.count('answered')
      return response.ok
    } catch {
      if (this.signedIn()) journal.count('unanswered')
      return false
    }
  }

  protected watch(wire: Wire): void {
    const { journal } = this
    journal.met(wire.code)
    if (wire.path === '/auth/refresh') {
      this.#last = wire
      journal.count('refreshes')
      journal.used(wire.key)
      if (wire.status === 0) journal.count('unheard')
      if (denies(wire)) journal.count('denied')
    } else if (wire.status === 401 && wire.path !== '/auth/login') journal.count('refused')
  }

  /** Counts an end of the session that nobody here asked for. Reports whether the server had not ended it. */
  protected ended(): boolean {
    // Only a denial ends a session: no answer is none, and neither is a fault.
    const needless = !this.#last || !denies(this.#last)
    if (needless) this.journal.count('needless')
    return needless
  }
}

// Doorward's client

type Transport = NonNullable<AuthClientOptions['transport']>

/** Where it is remembered that the cookie does not stay in this browser. */
const transportKey = 'doorward-demo-transport'

class Ours extends Side {
  readonly client: Store<AuthClient>
  readonly transport: Store<Transport>
  readonly #scribe = new Scribe(this.journal)
  readonly #options: AuthClientOptions = {
    fetch: faulty(this, (wire) => this.watch(wire)),
    onEvent: (event) => {
      this.#scribe.write(event)
      if (event.type === 'ended' && event.end.code !== 'SIGNED_OUT' && !event.elsewhere) this.ended()
    },
  }

  constructor() {
    super()
    this.transport = new Store<Transport>(
      localStorage.getItem(transportKey) === 'bearer' ? 'bearer' : 'cookie',
    )
    this.client = new Store(this.#make())
  }

  #make(initial?: AuthClientOptions['initial']): AuthClient {
    const transport = this.transport.get()
    const storage = transport === 'bearer' ? { storage: localStorage } : {}
    return createAuthClient({ ...this.#options, transport, ...storage, initial })
  }

  /** Goes on with an access token that was come by long ago, as a page does that slept. */
  wakeWith(accessToken: string): void {
    const old = this.client.get()
    const { user } = old.getSnapshot()
    if (!user) return
    const initial = { user, accessToken, expiresIn: old.expiresIn() }
    old.close()
    this.client.set(this.#make(initial))
  }

  signedIn(): boolean {
    return this.client.get().isAuthenticated()
  }

  async login(credentials: Credentials): Promise<void> {
    await this.client.get().login(credentials)
    if (this.transport.get() === 'bearer' || (await this.#cookieStays())) return
    await this.client.get().logout()
    this.client.get().close()
    localStorage.setItem(transportKey, 'bearer')
    this.transport.set('bearer')
    this.client.set(this.#make(null))
    await this.client.get().login(credentials)
  }

  /** Safari keeps no Secure cookie of a server on plain http, not even on this machine. */
  async #cookieStays(): Promise<boolean> {
    const headers = { Authorization: await this.authorization() }
    const response = await fetch('/dev/copy', { method: 'POST', headers })
    return response.status !== 401 || (await response.json()).code !== 'REFRESH_TOKEN_MISSING'
  }

  async authorization(): Promise<string> {
    return `Bearer ${await this.client.get().getToken()}`
  }

  protected async get(path: string): Promise<Response> {
    try {
      const response = await this.client.get().fetch(path, { cache: 'no-store' })
      this.#scribe.over('GET', path, 'bad', String(response.status))
      return response
    } catch (error) {
      this.#scribe.over('GET', path, 'warn', 'lost', isAuthError(error) ? error.message : 'No answer')
      throw error
    }
  }

  async renew(): Promise<void> {
    await this.client
      .get()
      .renew()
      .catch(() => {}) // the journal has it
  }
}

// The naive one

class Naive extends Side {
  /** Where it is, and whether it need not have gone there. */
  readonly page = new Store<'app' | 'sign_in' | 'sign_in_needlessly'>('sign_in')
  readonly client = new NaiveClient(
    faulty(this, (wire) => this.watch(wire)),
    () => this.#signInPage(),
  )

  constructor() {
    super()
    if (this.client.token) this.page.set('app')
  }

  protected override watch(wire: Wire): void {
    super.watch(wire)
    const { method, path, status, code, denial } = wire
    const id = this.journal.open(`${method} ${path}`)
    const tone = status === 0 ? 'bad' : code ? 'warn' : 'good'
    this.journal.step(id, tone, status === 0 ? 'No answer' : code ? 'Refused' : 'Answered', { code, denial })
    this.journal.close(id, tone, status === 0 ? 'lost' : String(status))
  }

  #signInPage(): void {
    if (this.page.get() !== 'app') return
    const needless = this.ended()
    this.page.set(needless ? 'sign_in_needlessly' : 'sign_in')
    const why = needless ? 'It could not renew, so it threw its tokens away' : 'Its session is over'
    this.journal.note('Session', 'bad', `${why}: to the sign-in page`)
  }

  signedIn(): boolean {
    return this.page.get() === 'app'
  }

  async login(credentials: Credentials): Promise<void> {
    await this.client.login(credentials)
    this.page.set('app')
  }

  /** Forgets its tokens, as it does when somebody signs out. */
  leave(): void {
    this.client.forget()
    this.page.set('sign_in')
  }

  async authorization(): Promise<string> {
    return `Bearer ${this.client.token}`
  }

  protected get(path: string): Promise<Response> {
    return this.client.request(path)
  }

  renew(): Promise<void> {
    return this.client.renew()
  }
}

export type { Side }
export const ours = new Ours()
export const naive = new Naive()

/** What a page asks for when it opens: three things at once. */
export const widgets = ['/api/profile', '/auth/me', '/auth/sessions'] as const
