import { type SyntheticEvent, useMemo } from 'react'
import type { AuthClient, AuthError, AuthSnapshot, SessionEnd, User } from '@doorward/client'
import { useShared } from './context.ts'

/** What there is to know in each status. `isAuthenticated` tells TypeScript that there is a `user`. */
export type AuthState =
  | { status: 'loading'; loading: true; isAuthenticated: false; user: null }
  | { status: 'signed_in'; loading: false; isAuthenticated: true; user: User }
  | { status: 'signed_out'; loading: false; isAuthenticated: false; user: null }

/** The functions stay the same from render to render. */
export interface AuthActions extends Pick<AuthClient, 'login' | 'fetch'> {
  /** {@link AuthClient.logout}, which takes an event too, and nothing from it: `onClick={logout}`. */
  logout(options?: Parameters<AuthClient['logout']>[0] | SyntheticEvent): Promise<void>
  /** The client itself, for all that is not here. */
  client: AuthClient
}

/** Who is signed in, and how to sign in and out. */
export type Auth = AuthState &
  AuthActions & {
    /** Why the last session ended; null while signed in and before the first. */
    end: SessionEnd | null
    /** Why the session cannot be renewed for now; it is tried again. */
    error: AuthError | null
  }

/** Who is signed in, and how to sign in and out. Renders again when that changes. */
export function useAuth(): Auth {
  const { client, snapshot } = useShared('useAuth')
  return useMemo(
    () => ({
      ...stateOf(snapshot),
      end: snapshot.end,
      error: snapshot.error,
      login: client.login,
      logout: client.logout,
      fetch: client.fetch,
      client,
    }),
    [client, snapshot],
  )
}

function stateOf({ status, user }: AuthSnapshot): AuthState {
  return { status, loading: status === 'loading', isAuthenticated: status === 'signed_in', user } as AuthState
}
