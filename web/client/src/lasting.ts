import type { AuthError } from './errors.ts'
import type { AuthClient } from './types.ts'

/** How a connection that lasts has ended. */
export interface StreamEnd {
  /**
   * `session_ended`: the session is over, or another person's. `denied`: the
   * server refuses. `no_content`: it says that there is no more to come.
   * `closed`: by the program, or by a server that is done with a socket.
   */
  reason: 'session_ended' | 'denied' | 'no_content' | 'closed'
  /** The denial, where it was one. */
  error: AuthError | null
}

/** Where a connection that lasts is; it is `waiting` before it tries again. */
export type StreamState = 'connecting' | 'open' | 'waiting'

/** How long before its token's end a connection is made anew, in milliseconds; a tenth of a shorter life. */
const longestMargin = 30_000

/**
 * The shortest and the longest pause before another try, in milliseconds. A
 * connection that stood longer than any pause was no failure.
 */
const shortestPause = 100
export const longestPause = 60_000

const longestTimer = 2 ** 31 - 1

/** Ends once, and tells. */
export class Ending {
  readonly told: Promise<StreamEnd>
  end: StreamEnd | undefined
  readonly #signal = new AbortController()
  #tell!: (end: StreamEnd) => void
  #unwatch: (() => void) | undefined

  constructor(signal?: AbortSignal | null) {
    this.told = new Promise((tell) => (this.#tell = tell))
    const close = () => this.set('closed')
    if (signal?.aborted) close()
    else this.onEnd(() => signal?.removeEventListener('abort', close))
    signal?.addEventListener('abort', close)
  }

  set(reason: StreamEnd['reason'], error: AuthError | null = null): void {
    if (this.end) return
    this.end = { reason, error }
    this.#unwatch?.()
    this.#signal.abort()
    this.#tell(this.end)
  }

  /** Calls `listener` when it ends; returns how to stop that. */
  onEnd(listener: () => void): () => void {
    this.#signal.signal.addEventListener('abort', listener)
    return () => this.#signal.signal.removeEventListener('abort', listener)
  }

  /** Ends with the session of whoever is signed in by now. */
  follow(auth: AuthClient): void {
    const { user } = auth.getSnapshot()
    if (this.#unwatch || this.end || !user) return
    this.#unwatch = auth.subscribe(() => {
      const now = auth.getSnapshot()
      if (now.user?.id !== user.id) this.set('session_ended', now.end?.error)
    })
  }

  /** Waits, no longer than until it ends. */
  pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      if (this.end) return resolve()
      const timer = setTimeout(done, Math.min(ms, longestTimer))
      const stop = this.onEnd(done)
      function done() {
        clearTimeout(timer)
        stop()
        resolve()
      }
    })
  }
}

/** The pause before a try, in milliseconds: it doubles with each failure, and differs from others'. */
export function backoff(base: number, failures: number): number {
  return Math.min(Math.max(base, shortestPause) * 2 ** failures, longestPause) * (1 - Math.random() / 2)
}

/**
 * Calls `renew` shortly before the access token of now ends, once the client
 * has got the next one: until then the old connection is as good as a new one.
 */
export function beforeExpiry(auth: AuthClient, renew: () => void): () => void {
  const life = auth.expiresIn() * 1000
  const expiry = performance.now() + life
  let timer: ReturnType<typeof setTimeout> | undefined
  const check = () => {
    const now = performance.now()
    const left = expiry - Math.min(life / 10, longestMargin) - now
    const next = auth.expiresIn() * 1000
    if (left <= 0 && next && now + next > expiry + 1000) renew()
    else timer = setTimeout(check, Math.min(Math.max(left, 1000), longestTimer))
  }
  if (life > 0) check()
  return () => clearTimeout(timer)
}
