import type { AuthError } from './errors.ts'
import type { Code } from './codes.ts'

/** The person who is signed in. */
export interface User {
  id: string
  email: string
  name: string
}

/** What somebody signs in with. */
export interface Credentials {
  email: string
  password: string
}

/** Where a client stands: not known yet, signed in, or signed out. */
export type AuthStatus = 'loading' | 'signed_in' | 'signed_out'

/**
 * How a session ended: by the server's denial of a renewal, or by a sign-out
 * in this tab or in another.
 */
export interface SessionEnd {
  code: Code | 'SIGNED_OUT'
  /** The denial, where it was one. `error.problem.ended` says why the session was over. */
  error: AuthError | null
}

/** The state of a client. A new object for each change, and none without one. */
export interface AuthSnapshot {
  status: AuthStatus
  user: User | null
  /** Why the last session ended; null while signed in and before the first. */
  end: SessionEnd | null
  /** Why the session cannot be renewed for now; it is tried again. */
  error: AuthError | null
}

/** A session that a server rendered the page with. */
export interface InitialSession {
  user: User
  /** Without a token the client renews before the first request. */
  accessToken?: string
  /** Seconds that the token is still good for. */
  expiresIn?: number
}

/**
 * Where the bearer transport keeps its record: `localStorage`, or a native
 * shell's secure storage. What all tabs share lets a person stay signed in.
 */
export interface TokenStorage {
  getItem(key: string): string | null | Promise<string | null>
  setItem(key: string, value: string): void | Promise<void>
  removeItem(key: string): void | Promise<void>
}

/** Why a client renews. */
export type RenewReason = 'restore' | 'due' | 'expired' | 'denied' | 'asked'

/** A request of a caller's: `call` numbers what it asked for, `send` how often that was sent. */
export interface Sending {
  call: number
  send: 1 | 2
  method: string
  url: string
}

/** One step of a client, for a log or a timeline. It holds no token. */
export type AuthEvent =
  | { type: 'signed_in' | 'renewed'; user: User; expiresIn: number; elsewhere: boolean }
  | { type: 'renewing'; reason: RenewReason }
  | { type: 'renewal_failed'; error: AuthError; retryIn: number | null }
  | ({ type: 'sending' } & Sending)
  | ({ type: 'answered'; status: number } & Sending)
  | ({ type: 'failed'; error: unknown } & Sending)
  | ({ type: 'denied'; error: AuthError; next: Mend } & Sending)
  | { type: 'ended'; end: SessionEnd; elsewhere: boolean }

/**
 * What mends a 401: a renewal; the token that another request has got by now;
 * a moment's wait; or nothing.
 */
export type Mend = 'renew' | 'again' | 'wait' | 'give_up'

export interface AuthClientOptions {
  /** Base URL of the Doorward server. Default: the page's own origin. */
  server?: string | URL | undefined
  /** Origins that get the access token, beside the page's own and the server's. */
  origins?: readonly (string | URL)[] | undefined
  /**
   * How the refresh token travels. `cookie` (the default): in an HttpOnly
   * cookie that no script can read; the server is on the page's own site.
   * `bearer`: in bodies, kept in `storage`; for other sites and native shells.
   */
  transport?: 'cookie' | 'bearer' | undefined
  /** Where the bearer transport keeps its refresh token. Default: in memory. */
  storage?: TokenStorage | undefined
  /** Path of the sign-in page, without a query. Default: `/login`. */
  signInPath?: string | undefined
  /**
   * The session that a server rendered the page with; null where it found
   * nobody signed in, undefined where it does not know.
   */
  initial?: InitialSession | null | undefined
  /**
   * Told once for each session that ends while it is signed in here. A page that
   * finds a session ended says so in `end` of the snapshot.
   */
  onSessionEnd?: ((end: SessionEnd) => void) | undefined
  /** Told of each step. */
  onEvent?: ((event: AuthEvent) => void) | undefined
  /** Used for every request. Default: the global `fetch`. */
  fetch?: typeof fetch | undefined
}

/** Keeps one session fresh and sends requests with it. Its methods need no `this`. */
export interface AuthClient {
  /** Resolves once it is known whether somebody is signed in. Never rejects. */
  ready(): Promise<AuthSnapshot>
  /** Signs in. Rejects with an {@link AuthError}: INVALID_CREDENTIALS, RATE_LIMITED, ACCOUNT_SUSPENDED, … */
  login(credentials: Credentials): Promise<User>
  /**
   * Signs out here and in all tabs at once. Rejects where the server could not
   * be told; it is told before anybody is signed in here again.
   */
  logout(options?: { everywhere?: boolean }): Promise<void>
  isAuthenticated(): boolean
  /**
   * `fetch` with the session: attaches the token, renews it before it expires,
   * and mends a 401 that a renewal can mend, once. Any other answer is the
   * caller's. Rejects as `fetch` does, and with an {@link AuthError}: UNAVAILABLE
   * where the token is over and cannot be renewed for now, or the code with
   * which the session ended while the request waited. Where nobody is signed in
   * the request goes out without a token. Bodies that are streams are kept in
   * memory until the answer is there.
   */
  fetch(input: RequestInfo | URL, init?: RequestInit): Promise<Response>
  /** An access token that is good for now. Rejects with an {@link AuthError}. */
  getToken(): Promise<string>
  /** Seconds until the access token expires; 0 without one. */
  expiresIn(): number
  /** Seconds until it is renewed of itself. */
  renewsIn(): number
  /**
   * Does what mends `error`, a 401 that was answered to `token`, for who sends
   * requests by other means than `fetch`. True where sending once more, with
   * what {@link getToken} gives then, is worth it. Rejects with an
   * {@link AuthError} UNAVAILABLE where that cannot be known now.
   */
  mend(error: AuthError, token: string, signal?: AbortSignal | null): Promise<boolean>
  /** Renews now, whatever the time. Rejects with an {@link AuthError}. */
  renew(): Promise<void>
  /** Whether requests to `url` get the token: its origin does, and it is no route to sign in by. */
  covers(url: string | URL): boolean
  getSnapshot(): AuthSnapshot
  /**
   * Calls `listener` after each change of the snapshot; returns how to stop it.
   * It starts nothing by itself: {@link ready} does.
   */
  subscribe(listener: () => void): () => void
  /** What the snapshot was when the client was made: what a server renders. */
  getInitialSnapshot(): AuthSnapshot
  /** The address of the sign-in page, with the way back to `returnTo` (default: this page). */
  signInURL(returnTo?: string): string
  /** Goes there. Does nothing on the sign-in page itself, and without a page. */
  redirectToLogin(returnTo?: string): void
  /** Where to go after signing in, from the page's own address; always on this origin. */
  returnURL(fallback?: string): string
  /** Stops timers and listeners. The session goes on. */
  close(): void
}
