/** How long before its end a token is renewed: a third of its life, at most 5 minutes. */
const longestBuffer = 300

/**
 * Holds an access token and knows when to renew it. Time is measured from when
 * the token was asked for, by a clock that nobody can set: what the device's
 * wall clock says, and what the token says of itself, does not matter.
 */
export class TokenManager {
  readonly #now: () => number
  #token: string | null = null
  #expiry = 0 // in milliseconds of #now
  #buffer = 0

  /** `now` is a monotonic clock in milliseconds. Default: `performance.now`. */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now
  }

  /** Takes a token that was good for `expiresIn` seconds when it was asked for, at `asked` of the clock. */
  set(token: string, expiresIn: number, asked: number = this.#now()): void {
    this.#token = token
    this.#expiry = asked + expiresIn * 1000
    this.#buffer = Math.min(expiresIn / 3, longestBuffer) * 1000
  }

  clear(): void {
    this.#token = null
  }

  /** The token, expired or not. */
  get token(): string | null {
    return this.#token
  }

  /** Milliseconds until the token expires; 0 without one. */
  get left(): number {
    return this.#token ? Math.max(0, this.#expiry - this.#now()) : 0
  }

  /** Milliseconds until the token should be renewed. */
  get untilDue(): number {
    return Math.max(0, this.left - this.#buffer)
  }

  /** Whether the token should be renewed before it is used. */
  isDue(): boolean {
    return !this.untilDue
  }

  isExpired(): boolean {
    return !this.left
  }
}

/** What a token says of the session it belongs to; undefined where it does not say. */
export function sessionOf(token: string): string | undefined {
  try {
    const payload = token.split('.')[1]!.replace(/-/g, '+').replace(/_/g, '/')
    return (JSON.parse(atob(payload)) as { sid?: string }).sid
  } catch {
    return undefined // a token that is opaque to us
  }
}
