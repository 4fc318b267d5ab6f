import { codes, type Code, type Recovery } from './codes.ts'
import { parseChallenges } from './challenge.ts'

/** A refusal as it is on the wire: RFC 9457 and Doorward's members. */
export interface Problem {
  code?: string
  detail?: string
  message?: string
  instance?: string
  type?: string
  member?: string
  scope?: string
}

/**
 * A request that was refused, or that could not be made. `code` says what
 * happened, `recovery` what to do about it, `denial` is the id that the
 * operator finds the whole story by, and `help` the page that explains it.
 */
export class AuthError<C extends Code | 'UNKNOWN' = Code | 'UNKNOWN'> extends Error {
  override readonly name = 'AuthError'
  readonly code: C
  readonly recovery: Recovery
  /** HTTP status; 0 where there was no answer. */
  readonly status: number
  readonly denial: string | null
  readonly help: string | null
  /** Seconds to wait before another try; null where the server does not say. */
  readonly retryAfter: number | null
  /** The member of the request at fault, for INVALID_REQUEST. */
  readonly member: string | null
  /** The missing scopes, for INSUFFICIENT_SCOPE. */
  readonly scope: string | null

  constructor(code: C, status: number, problem: Problem = {}, options?: ErrorOptions & { retryAfter?: number | null }) {
    super(problem.detail || problem.message || `${code} (HTTP ${status})`, options)
    this.code = code
    this.status = status
    this.recovery = codes[code as Code] ?? 'none'
    this.denial = problem.instance ?? null
    this.help = problem.type ?? null
    this.member = problem.member ?? null
    this.scope = problem.scope ?? null
    this.retryAfter = options?.retryAfter ?? null
  }
}
