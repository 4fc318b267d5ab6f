import { useEffect, useMemo, useRef, type ReactNode } from 'react'
import {
  createAuthClient,
  type AuthClient,
  type AuthClientOptions,
  type InitialSession,
} from '@doorward/client'
import { createApiClient } from '@doorward/client/api'
import { SharedContext, type Shared } from './context.ts'

/** Either a client that was made outside, or what to make one with. */
export type AuthProviderProps = { children?: ReactNode } & (
  | {
      /** A client that was made outside. The provider does not close it. */
      client: AuthClient
      options?: undefined
      initial?: undefined
    }
  | {
      client?: undefined
      /** Of the client that the provider makes. Read once. Default: the server is the page's own origin. */
      options?: AuthClientOptions | undefined
      /** The session that a server rendered the page with. Read once. Beats `options.initial`. */
      initial?: InitialSession | null | undefined
    }
)

/**
 * Gives what is inside it a session. Without `client` it makes one, and closes
 * it when it is gone for good.
 */
export function AuthProvider({ client: given, options, initial, children }: AuthProviderProps): ReactNode {
  const own = useRef<AuthClient | null>(null)
  // A client does nothing until it is used, so one that a discarded render made needs no closing.
  const client =
    given ?? (own.current ??= createAuthClient(initial === undefined ? options : { ...options, initial }))

  const shared = useMemo(() => share(client), [client])

  const living = useRef<AuthClient | null>(null)
  useEffect(() => {
    living.current = client
    void client.ready()
    return () => {
      living.current = null
      if (client !== own.current) return
      // StrictMode and Fast Refresh take effects down and set them up again in one go: that is no farewell.
      queueMicrotask(() => living.current === client || client.close())
    }
  }, [client])

  return <SharedContext.Provider value={shared}>{children}</SharedContext.Provider>
}

function share(client: AuthClient): Shared {
  const api = { ...createApiClient(client), authenticatedFetch: client.fetch }
  let leaving = false
  const leave = () => {
    if (leaving) return
    leaving = true
    queueMicrotask(() => {
      leaving = false
      client.redirectToLogin()
    })
  }
  return { client, api, leave }
}
