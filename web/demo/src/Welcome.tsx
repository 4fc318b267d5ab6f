import { useAuth } from '@doorward/react'
import { Code } from './Code.tsx'
import { SignIn } from './SignIn.tsx'
import { page } from './page.ts'
import { whyEnded } from './words.ts'

export function Welcome() {
  const { end } = useAuth()
  return (
    <main className="welcome">
      <div className="claim">
        <h1>No user ever sees a 401 that could have been mended.</h1>
        <p>
          Sign in, and two clients keep a session each: Doorward’s, and a naive one. Then break things. Both
          get the same faults from the same server; watch who asks you to log in again.
        </p>
      </div>
      <section className="card" aria-labelledby="sign-in">
        <h2 id="sign-in">Sign in</h2>
        {end && (
          <p className="ended" role="status">
            {whyEnded(end)} {end.error && <Code code={end.error.code} denial={end.error.denial} />}
          </p>
        )}
        <SignIn />
        <p className="hint">
          An account for trying out is filled in: <code>{page.email}</code> with the password{' '}
          <code>{page.password}</code>
        </p>
      </section>
    </main>
  )
}
