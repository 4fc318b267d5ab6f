import type { AccessToken, RefreshToken } from './tokens.ts'

/** Milliseconds since 1970, on a clock that nobody sets. */
export const now = () => performance.timeOrigin + performance.now()

/** What befalls a request on its way. Without any of these it goes straight through. */
export interface Fate {
  /** Waits before the server gets it, in milliseconds, or until a promise is kept. */
  early?: number | Promise<unknown>
  /** Waits before the answer goes back. */
  late?: number | Promise<unknown>
  /** The server has acted, and nobody learns of it: the connection is cut, or stays silent. */
  lost?: 'cut' | 'silence'
  /** The server never gets it: this status is answered instead, or the connection is cut. */
  refused?: number | 'cut'
  /** The server gets it twice; one of the answers goes back. */
  twice?: 'first' | 'second'
}

export type Kind = 'login' | 'refresh' | 'logout' | 'api' | 'other'

/** One request as the proxy saw it. It holds no secret. */
export interface Exchange {
  n: number
  at: number
  /** When its answer was over, or lost; null while it is under way. */
  over: number | null
  tab: string
  /** The call of the page that it was sent for; empty for the client's own requests. */
  call: string
  kind: Kind
  method: string
  path: string
  access: AccessToken | null
  presented: RefreshToken | null
  /** The fingerprint of the Idempotency-Key; empty for none. */
  key: string
  fate: Fate
  /** Whether the server got it. */
  acted: boolean
  /** Of the server's answer, or of what was answered in its stead. */
  status: number
  code: string
  granted: RefreshToken | null
  ending: 'answered' | 'lost' | 'silent' | 'refused' | 'gone' | 'under way'
}

/** What became of one call, as its caller saw it. */
export interface Outcome {
  tab: string
  call: string
  method: string
  path: string
  from: number
  to: number
  /** 0 where the call was rejected. */
  status: number
  /** Name, code and message of what it was rejected with. */
  error: { name: string; code: string; status: number; message: string } | null
  /** What was sent came to the server as it was. */
  intact: boolean
}

/** What a tab said of its session. */
export interface Note {
  tab: string
  at: number
  what: 'ended' | 'signed_in' | 'signed_out' | 'sign_in_page' | 'step'
  detail: string
}

/** A time in which the machine did not answer a page. */
export interface Stall {
  tab: string
  from: number
  to: number
}

export type Report = { outcome: Outcome } | { note: Note } | { stall: Stall }
