import { errorFrom } from './errors.ts'
import type { AuthClient } from './types.ts'

/**
 * Sends the requests of ky with the session: the instance it returns uses
 * `auth.fetch`. A 401 was mended there if it could be, so that ky tries none
 * again. Where ky rejects for an answer, the error's `cause` is an AuthError
 * with the code, the denial and what to do about it.
 */
export function withAuth<K extends Ky>(ky: K, auth: AuthClient): K {
  return ky.extend(({ retry }) => ({
    fetch: auth.fetch,
    retry: {
      ...(typeof retry === 'number' && { limit: retry }),
      shouldRetry: (state: Failure) =>
        state.error?.response?.status === 401
          ? false
          : typeof retry === 'object'
            ? retry.shouldRetry?.(state)
            : undefined,
    },
    hooks: {
      async beforeError(){}
    },
  })) as K
}
