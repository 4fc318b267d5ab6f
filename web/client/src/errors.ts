import { codes, type Code, type Recovery } from './codes.ts'

/** The denials of a refresh that end a session. Nothing else does. */
export const endings: ReadonlySet<string> = new Set([
  'REFRESH_TOKEN_MISSING',
  'INVALID_REFRESH_TOKEN',
  'REFRESH_TOKEN_REUSED',
  'USER_INACTIVE',
  'ACCOUNT_SUSPENDED',
])

/**
 * Why a session ended: signed out on this device, or everywhere; ended from the
 * list of sessions, or by an operator; the password was changed; the account
 * was suspended, or deactivated; a copy of the refresh token was used; it was
 * not used for too long; it was as old as a session gets.
 */
export type EndReason =
  | 'logout'
  | 'logout_all'
  | 'ended'
  | 'password'
  | 'suspended'
  | 'deactivated'
  | 'token_reused'
  | 'idle'
  | 'age'

/** What is said of a refusal on the wire: RFC 9457 and Doorward's members. */
export interface Problem {
  code?: string
  detail?: string
  message?: string
  instance?: string
  type?: string
  member?: string
  scope?: string
  /** Why the session ended: told to who holds its refresh token, and to nobody else. */
  ended?: EndReason
  /** By whom: `user` or `operator`. */
  endedBy?: string
  /** When: RFC 3339. */
  endedAt?: string
  [member: string]: string | undefined
}

export interface AuthErrorInit {
  status?: number
  problem?: Problem | undefined
  /** Default: what the table says of the code. */
  recovery?: Recovery
  retryAfter?: number | null
  cause?: unknown
}

/**
 * A request that was refused, or that could not be made. `code` says what
 * happened and `recovery` what to do about it; `denial` is the id by which the
 * operator finds the whole story, and `help` the page that explains the code.
 */
export class AuthError<C extends Code | 'UNKNOWN' = Code | 'UNKNOWN'> extends Error {
  /** A code of the table, or UNKNOWN for an answer that names none. */
  declare readonly code: C
  declare readonly recovery: Recovery
  /** HTTP status; 0 where there was no answer. */
  declare readonly status: number
  declare readonly denial: string | null
  declare readonly help: string | null
  /** The member of the request at fault, for INVALID_REQUEST. */
  declare readonly member: string | null
  /** The missing scopes, for INSUFFICIENT_SCOPE. */
  declare readonly scope: string | null
  /** Seconds to wait before another try; null where the server does not say. */
  declare readonly retryAfter: number | null
  /** Everything that the answer's body says in text. */
  declare readonly problem: Problem

  constructor(code: C, about: AuthErrorInit = {}) {
    const { status = 0, problem = {}, recovery, retryAfter = null, cause } = about
    super(problem.detail || problem.message || `${code} (${status})`, { cause })
    this.name = 'AuthError'
    this.code = code
    this.recovery = recovery ?? codes[code as Code] ?? 'none'
    this.status = status
    this.denial = problem.instance || null
    this.help = problem.type || null
    this.member = problem.member || null
    this.scope = problem.scope || null
    this.retryAfter = retryAfter
    this.problem = problem
  }
}

/** Whether `error` is an {@link AuthError}, of that code where one is given. */
export function isAuthError<C extends Code | 'UNKNOWN'>(error: unknown, code?: C): error is AuthError<C> {
  return error instanceof AuthError && (!code || error.code === code)
}

/** The request could not be made, or its answer not be understood. */
export function unavailable(detail: string, cause?: unknown): AuthError<'UNAVAILABLE'> {
  return new AuthError('UNAVAILABLE', { problem: { detail }, cause })
}

/** What `error` of a Bearer challenge says, and its absence (RFC 6750 §3.1, RFC 9470 §3). */
const codeOfChallenge: Record<string, Code> = {
  '': 'TOKEN_MISSING',
  invalid_token: 'TOKEN_INVALID',
  insufficient_scope: 'INSUFFICIENT_SCOPE',
  insufficient_user_authentication: 'STEP_UP_REQUIRED',
}

/**
 * Reads an answer that is no success. The body names the code; where another
 * server answered, the challenge does (RFC 6750 §3.1). It consumes the body:
 * give it a clone where somebody else reads it too.
 */
export async function errorFrom(response: Response): Promise<AuthError> {
  const { status, headers } = response
  let problem: Problem = {}
  if (/\bjson\b/.test(headers.get('Content-Type')!)) {
    try {
      const members = Object.entries((await response.json()) as object)
      problem = Object.fromEntries(members.filter(([, value]) => typeof value === 'string'))
    } catch {
      // A body cut short, or null: the status and the fields say enough.
    }
  } else response.body?.cancel().catch(() => {})
  problem.instance ??= headers.get('Doorward-Denial')!
  const field = headers.get('WWW-Authenticate')
  // A date, which is no number, would need a clock that is right.
  const about: AuthErrorInit = {
    status,
    problem,
    retryAfter: parseInt(headers.get('Retry-After')!, 10) || null,
  }
  if (problem.code) {
    const known = Object.hasOwn(codes, problem.code)
    return new AuthError(known ? (problem.code as Code) : 'UNKNOWN', about)
  }
  if (status >= 500) return new AuthError('UNAVAILABLE', about)
  if (status === 429) return new AuthError('RATE_LIMITED', about)
  // Enough for the one scheme we know; @doorward/client/challenges reads all that RFC 9110 allows.
  const bearer = /(?:^|,)\s*bearer\b(.*)/i.exec(field!)?.[1]
  if (bearer !== undefined) {
    const param = (name: string) => RegExp(`\\b${name}="?([^",]*)`, 'i').exec(bearer)?.[1] ?? ''
    Object.assign(problem, { detail: param('error_description'), scope: param('scope') })
    return new AuthError(codeOfChallenge[param('error')] ?? 'UNKNOWN', about)
  }
  // A server that gives no reason at all may well mean the token.
  if (status === 401 && !field) about.recovery = 'renew'
  return new AuthError('UNKNOWN', about)
}
