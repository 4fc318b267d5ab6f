import { isAuthError, type AuthError } from '@doorward/client'
import { useId, useState, type FormEvent } from 'react'
import { Code } from './Code.tsx'
import { lift } from './levers.ts'
import { page } from './page.ts'
import { naive, ours } from './sides.ts'
import { Store } from './store.ts'
import { seconds } from './words.ts'

/** What somebody signed in with last, so that the naive client can be let in again too. */
export const credentials = new Store({ email: page.email, password: page.password })

/** Signs both clients in: each gets a session of its own. */
export async function signInBoth(): Promise<void> {
  await ours.login(credentials.get())
  if (!naive.signedIn()) await naive.login(credentials.get())
}

export function SignIn() {
  const id = useId()
  const [error, setError] = useState<AuthError | Error | null>(null)
  const [busy, setBusy] = useState(false)

  async function submit(event: FormEvent<HTMLFormElement>) {
    event.preventDefault()
    const form = new FormData(event.currentTarget)
    credentials.set({ email: String(form.get('email')), password: String(form.get('password')) })
    setBusy(true)
    setError(null)
    try {
      await signInBoth()
    } catch (caught) {
      setError(caught as Error)
      setBusy(false)
    }
  }

  return (
    <form className="sign-in" onSubmit={(event) => void submit(event)}>
      <label htmlFor={`${id}-email`}>Email</label>
      <input
        id={`${id}-email`}
        name="email"
        type="email"
        autoComplete="username"
        required
        defaultValue={credentials.get().email}
      />
      <label htmlFor={`${id}-password`}>Password</label>
      <input
        id={`${id}-password`}
        name="password"
        type="password"
        autoComplete="current-password"
        required
        defaultValue={credentials.get().password}
      />
      <div role="alert">{error && <Refusal error={error} />}</div>
      <button type="submit" className="primary" disabled={busy}>
        {busy ? 'Signing in' : 'Sign in'}
      </button>
    </form>
  )
}

/** Why a sign-in was refused, in words. */
export function Refusal({ error }: { error: Error }) {
  if (!isAuthError(error)) return <p className="refusal">{error.message}</p>
  const { code, denial, retryAfter } = error
  return (
    <p className="refusal">
      {error.message}.{retryAfter !== null && ` Try again in ${seconds(retryAfter)}.`}{' '}
      <Code code={code} denial={denial} /> {code === 'ACCOUNT_SUSPENDED' && <Lift />}
    </p>
  )
}

/** For a suspension that has outlived the page that brought it about. */
function Lift() {
  const [lifted, setLifted] = useState(false)
  if (lifted) return 'It is lifted.'
  return (
    <button type="button" onClick={() => void lift().then(() => setLifted(true))}>
      Lift the suspension
    </button>
  )
}
