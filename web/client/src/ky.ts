import { type AuthError, errorFrom } from './errors.ts'
import type { AuthClient } from './types.ts'

/** What is asked of ky, the same in its versions 1 and 2. */
interface Ky {
  extend(options: object): unknown
}

/** The part of ky's HTTPError that its versions have in common. */
interface HTTPError extends Error {
  response?: Response
  /** What version 2 has read of the answer. */
  data?: unknown
}

/**
 * Sends the requests of ky with the session: the instance that it returns uses
 * `auth.fetch`. Where ky rejects for an answer, the `cause` of its HTTPError is
 * an {@link AuthError} with the code, the denial and what to do about it.
 *
 * A 401 was mended if it could be: leave it out of ky's `retry.statusCodes`, as
 * ky does by default. ky's `timeout` covers the wait for a renewal, too.
 */
export function withAuth<K extends Ky>(ky: K, auth: AuthClient): K {
  return ky.extend({ fetch: auth.fetch, hooks: { beforeError: [explain] } }) as K
}

/** Version 1 hands over the error, version 2 a state that holds it. */
async function explain(subject: HTTPError | { error: HTTPError }): Promise<HTTPError> {
  const error = 'error' in subject ? subject.error : subject
  const { response, data } = error
  if (response) {
    const copy = response.bodyUsed ? new Response(JSON.stringify(data), response) : response.clone()
    error.cause = (await errorFrom(copy)) satisfies AuthError
  }
  return error
}
