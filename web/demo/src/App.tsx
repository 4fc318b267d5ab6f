import { AuthProvider, useAuth } from '@doorward/react'
import { useEffect, useState } from 'react'
import { Door } from './Door.tsx'
import { Instruments } from './Instruments.tsx'
import { Welcome } from './Welcome.tsx'
import { page } from './page.ts'
import { naive, ours } from './sides.ts'
import { useStore } from './store.ts'

export function App() {
  return (
    <AuthProvider client={useStore(ours.client)}>
      <Bar />
      <Stage />
      <Foot />
    </AuthProvider>
  )
}

/** Once somebody was signed in, the instruments stay to show what became of it: until they sign out themselves. */
function Stage() {
  const { status, end, error } = useAuth()
  const [shown, setShown] = useState(false)
  const signedOut = end?.code === 'SIGNED_OUT'
  if (status === 'signed_in' && !shown) setShown(true)
  if (status === 'signed_out' && signedOut && shown) setShown(false)

  useEffect(() => {
    if (signedOut) naive.leave()
  }, [signedOut])

  if (shown) return <Instruments />
  if (status === 'signed_out') return <Welcome />
  return <main aria-busy="true">{error && <p role="status">{error.message}. Trying again.</p>}</main>
}

function Bar() {
  const { user, logout } = useAuth()
  return (
    <header className="bar">
      <p className="mark">
        <Door />
        doorward
      </p>
      {user && (
        <p className="who">
          <span>
            <b>{user.name}</b> <span className="email">{user.email}</span>
          </span>
          <button type="button" className="plain" onClick={() => void logout().catch(() => {})}>
            Sign out
          </button>
        </p>
      )}
    </header>
  )
}

function Foot() {
  return (
    <footer className="foot">
      <p>
        What you see is real: this server, these tokens, no mocked answers.{' '}
        <span>doorward {page.version}</span>
      </p>
      <nav aria-label="Documentation">
        <a href="/errors/TOKEN_EXPIRED">TOKEN_EXPIRED</a>
        <a href="/errors/REFRESH_TOKEN_REUSED">REFRESH_TOKEN_REUSED</a>
        <a href="/errors/">All codes</a>
        <a href="/dev/LICENSES.txt">Licenses</a>
      </nav>
    </footer>
  )
}
