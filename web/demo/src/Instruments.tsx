import { useAuth } from '@doorward/react'
import { useEffect, useState } from 'react'
import { Code } from './Code.tsx'
import { Effect } from './Effect.tsx'
import { Levers } from './Levers.tsx'
import { Life } from './Life.tsx'
import { credentials, Refusal, signInBoth } from './SignIn.tsx'
import { Timeline } from './Timeline.tsx'
import { busy, last, stateOf, type Lever } from './levers.ts'
import { margin } from './naive.ts'
import { naive, ours, type Side } from './sides.ts'
import { useStore } from './store.ts'
import { here, isSecond } from './tabs.ts'
import { times, whyEnded } from './words.ts'

const call = () => Promise.all([ours.call('/api/profile'), naive.call('/api/profile')])

export function Instruments() {
  const { isAuthenticated } = useAuth()
  useEffect(() => {
    if (isSecond && isAuthenticated) here()
  }, [isAuthenticated])

  return (
    <main className="instruments">
      <section className="lead">
        <h1>One account, two clients, the same faults.</h1>
        <Calls />
        {isSecond && (
          <p className="note">This is the second tab. Sign out here, and the first one is signed out too.</p>
        )}
        <Transport />
      </section>
      <Ours />
      <Naive />
      <Levers />
      <Timeline id="ours" title="What Doorward’s client did" journal={ours.journal} />
      <Timeline id="naive" title="What the naive client did" journal={naive.journal} />
    </main>
  )
}

function Calls() {
  const [auto, setAuto] = useState(false)
  useEffect(() => {
    if (!auto) return
    // While a lever is pulled, only what it does is counted.
    const timer = setInterval(() => busy.get() || void call(), 1000)
    return () => clearInterval(timer)
  }, [auto])
  return (
    <div className="calls">
      <button type="button" className="primary" onClick={() => void call()}>
        Call the API
      </button>
      <label className="switch">
        <input type="checkbox" checked={auto} onChange={(event) => setAuto(event.target.checked)} />
        every second
      </label>
    </div>
  )
}

function Transport() {
  if (useStore(ours.transport) === 'cookie') return null
  return (
    <p className="note">
      This browser keeps no Secure cookie of a server on plain http. So the refresh token travels in bodies
      here, and is kept in localStorage. Over https it would be in a cookie that no script can read.
    </p>
  )
}

function Ours() {
  const { status, client, end } = useAuth()
  const signedIn = status === 'signed_in'
  return (
    <Instrument
      id="ours"
      title="Doorward’s client"
      about="@doorward/client, as it comes"
      side={ours}
      signedIn={signedIn}
    >
      {signedIn ? (
        <Life of="left of the access token" read={() => ourLife(client.expiresIn())} />
      ) : (
        <div className="over">
          <p>
            <b>Signed out.</b> {end && whyEnded(end)}{' '}
            {end?.error && <Code code={end.error.code} denial={end.error.denial} />}
          </p>
          <Again label="Sign in again" signIn={signInBoth} />
        </div>
      )}
    </Instrument>
  )
}

/** The longest life seen is that of a new token. */
let longest = 0

function ourLife(left: number) {
  longest = Math.max(longest, left)
  return { left, life: longest, due: Math.min(longest / 3, 300) }
}

function Naive() {
  const page = useStore(naive.page)
  return (
    <Instrument
      id="naive"
      title="A naive client"
      about="as many guides build it"
      side={naive}
      signedIn={page === 'app'}
    >
      {page === 'app' ? (
        <Life of="left, by the device’s clock" read={naiveLife} />
      ) : (
        <div className="over login">
          <p>
            <b>Please log in.</b>{' '}
            {page === 'sign_in_needlessly'
              ? 'The person is told no more than that.'
              : 'The server has ended this session.'}
          </p>
          <Again label="Log in again" signIn={() => naive.login(credentials.get())} />
        </div>
      )}
    </Instrument>
  )
}

/** Signs in once more as whoever signed in last. */
function Again({ label, signIn }: { label: string; signIn: () => Promise<void> }) {
  const [error, setError] = useState<Error | null>(null)
  const again = () => {
    setError(null)
    signIn().catch(setError)
  }
  return (
    <>
      <div role="alert">{error && <Refusal error={error} />}</div>
      <button type="button" onClick={again}>
        {label}
      </button>
    </>
  )
}

function naiveLife() {
  const { issued, expires } = naive.client.times
  return {
    left: Math.max(0, expires - Date.now()) / 1000,
    life: (expires - issued) / 1000,
    due: margin / 1000,
  }
}

/** What the last lever did to this client, for a screen that has the place. */
function Latest({ of }: { of: 'ours' | 'naive' }) {
  const lever = useStore(last)
  return lever && <LatestOf lever={lever} of={of} />
}

function LatestOf({ lever, of }: { lever: Lever; of: 'ours' | 'naive' }) {
  const { busy, outcome } = useStore(stateOf(lever.id))
  return (
    <div className="latest" data-busy={busy}>
      <h3>{lever.title}</h3>
      {outcome && <Effect effect={outcome[of]} />}
    </div>
  )
}

interface InstrumentProps {
  id: 'ours' | 'naive'
  title: string
  about: string
  side: Side
  signedIn: boolean
  children: React.ReactNode
}

function Instrument({ id, title, about, side, signedIn, children }: InstrumentProps) {
  const { needless, answered, refused, refreshes } = useStore(side.journal.tally)
  return (
    <section className={`instrument ${id}`} aria-labelledby={`${id}-title`} data-signed-in={signedIn}>
      <header>
        <h2 id={`${id}-title`}>{title}</h2> <p>{about}</p>
      </header>
      <div className="score" data-bad={needless > 0}>
        <strong>{needless}</strong>
        <p className="label">needless {needless === 1 ? 'sign‑out' : 'sign‑outs'}</p>
        <p className="counts">
          <span>{times(answered, 'call')} answered</span> <span>{times(refreshes, 'renewal')}</span>{' '}
          <span>{refused} × 401 met</span>
        </p>
      </div>
      {children}
      <Latest of={id} />
    </section>
  )
}
