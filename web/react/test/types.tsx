// Checked by tsc, never run: what is marked as an error must be one.

import { type AuthClient, createAuthClient, type User } from '@doorward/client'
import type { ReactNode } from 'react'
import { AuthProvider, RequireAuth, useApi, useAuth } from '../src/index.ts'

type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false
const is = <_ extends true>() => {}

interface Profile {
  name: string
}

export function Narrowing() {
  const auth = useAuth()
  is<Same<typeof auth.user, User | null>>()
  // @ts-expect-error: somebody may be signed out
  auth.user.name
  if (auth.isAuthenticated) is<Same<typeof auth.user, User>>()
  if (auth.status === 'signed_in') is<Same<typeof auth.user, User>>()
  if (auth.status === 'signed_out') is<Same<typeof auth.user, null>>()
  if (auth.loading) is<Same<typeof auth.status, 'loading'>>()

  const { isAuthenticated, user, loading } = auth
  if (loading) return null
  if (!isAuthenticated) {
    is<Same<typeof user, null>>()
    return null
  }
  return user.name
}

export function Data() {
  const { data, error, loading, reload } = useApi<Profile>('/api/profile')
  is<Same<typeof data, Profile | undefined>>()
  is<Same<typeof error, Error | null>>()
  is<Same<typeof loading, boolean>>()
  const unknown = useApi('/api/profile')
  is<Same<typeof unknown.data, unknown>>()

  const { user } = useAuth()
  useApi(user && `/api/users/${user.id}`)
  useApi(user?.id)
  useApi(loading ? null : '/api/x', { enabled: true, query: { page: 1, all: false, q: undefined } })
  // @ts-expect-error: a number is no path
  useApi(1)
  // @ts-expect-error: no body: it only reads
  useApi('/api/x', { body: '' })
  return (
    <button type="button" onClick={reload}>
      again
    </button>
  )
}

export async function Functions() {
  const api = useApi()
  is<Same<typeof api.authenticatedFetch, AuthClient['fetch']>>()
  const profile = await api.patch<Profile>('/api/profile', { name: 'Ada' })
  is<Same<typeof profile, Profile>>()
  // @ts-expect-error: without a path there is nothing to know
  api.data
  const both = useApi<Profile[]>('/api/profiles')
  await both.post('/api/profiles', { name: 'Ada' })
}

export function SignOut() {
  const { logout } = useAuth()
  return (
    <>
      <button type="button" onClick={logout}>
        Sign out
      </button>
      <button type="button" onClick={() => logout({ everywhere: true })}>
        Sign out everywhere
      </button>
    </>
  )
}

const client = createAuthClient()
export const providers: ReactNode[] = [
  <AuthProvider key={1}>hello</AuthProvider>,
  <AuthProvider key={2} client={client} />,
  <AuthProvider key={3} options={{ server: 'https://auth.example.com' }} />,
  <AuthProvider key={4} initial={null} />,
  // @ts-expect-error: there is no such option
  <AuthProvider key={8} options={{ servers: 'https://auth.example.com' }} />,
  // @ts-expect-error: a client has its options already
  <AuthProvider key={5} client={client} options={{}} />,
  // @ts-expect-error: a client has its initial session already
  <AuthProvider key={6} client={client} initial={null} />,
  <RequireAuth key={7} fallback={<p />} signIn="who?">
    hello
  </RequireAuth>,
]
