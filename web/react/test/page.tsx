import type { AuthClientOptions, InitialSession } from '@doorward/client'
import { AuthProvider, RequireAuth, useApi, useAuth } from '../src/index.ts'

function Account() {
  const { user } = useAuth()
  const { data, loading } = useApi<{ name: string }>('/api/profile')
  return (
    <p>
      {user?.name} {loading ? 'loading' : data?.name}
    </p>
  )
}

function Header() {
  const { status } = useAuth()
  return <h1>{status}</h1>
}

/** A page that a server renders. */
export function Page({ options, initial }: { options?: AuthClientOptions; initial?: InitialSession | null }) {
  return (
    <AuthProvider options={options} initial={initial}>
      <Header />
      <RequireAuth fallback={<p>wait</p>} signIn={<p>sign in</p>}>
        <Account />
      </RequireAuth>
    </AuthProvider>
  )
}

export const markup = {
  unknown: '<h1>loading</h1><p>wait</p>',
  ada: '<h1>signed_in</h1><p>Ada<!-- --> <!-- -->loading</p>',
}
