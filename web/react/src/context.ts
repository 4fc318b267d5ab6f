import { createContext, useContext, useSyncExternalStore } from 'react'
import type { AuthClient, AuthSnapshot } from '@doorward/client'
import type { Api } from './useApi.ts'

/** What a provider shares: things that stay the same while it lives, so that nothing renders for their sake. */
export interface Shared {
  client: AuthClient
  api: Api
  /** Goes to the sign-in page, once for all who want to. */
  leave: () => void
}

export const SharedContext = createContext<Shared | null>(null)

/** What the nearest provider shares, and where its client stands now. */
export function useShared(asker: string): Shared & { snapshot: AuthSnapshot } {
  const shared = useContext(SharedContext)
  if (!shared) throw new Error(`${asker} needs an <AuthProvider> around it`)
  const { subscribe, getSnapshot, getInitialSnapshot } = shared.client
  return { ...shared, snapshot: useSyncExternalStore(subscribe, getSnapshot, getInitialSnapshot) }
}
