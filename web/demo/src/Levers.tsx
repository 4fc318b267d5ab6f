import { useAuth } from '@doorward/react'
import { useId } from 'react'
import { Effect } from './Effect.tsx'
import { busy, last, levers, pull, stateOf, suspended, type Lever } from './levers.ts'
import { useStore } from './store.ts'
import { world } from './world.ts'

export function Levers() {
  return (
    <section className="levers" aria-labelledby="levers">
      <h2 id="levers">Break something</h2>
      <ol>
        {levers.map((lever) => (
          <Row key={lever.id} lever={lever} />
        ))}
      </ol>
    </section>
  )
}

function Row({ lever }: { lever: Lever }) {
  const { busy: mine, outcome } = useStore(stateOf(lever.id))
  const latest = useStore(last) === lever
  return (
    <li className="lever" data-lever={lever.id} data-busy={mine} data-latest={latest}>
      {lever.positions ? <Positions lever={lever} /> : <Pull lever={lever} />}
      {outcome && (
        <div className="inline">
          <Effect who="Doorward’s client" effect={outcome.ours} />
          <Effect who="The naive client" effect={outcome.naive} />
        </div>
      )}
      <p className="unseen" role="status">
        {outcome &&
          !mine &&
          `Doorward’s client: ${outcome.ours.end}. The naive client: ${outcome.naive.end}.`}
      </p>
    </li>
  )
}

function Pull({ lever }: { lever: Lever }) {
  const id = useId()
  const { isAuthenticated } = useAuth()
  const any = useStore(busy)
  useStore(suspended)
  useStore(world)
  const pulled = lever.pulled?.() ?? false
  const off = any || (!isAuthenticated && !pulled)
  return (
    <button
      type="button"
      className="pull"
      aria-pressed={lever.back ? pulled : undefined}
      aria-describedby={id}
      disabled={off}
      onClick={() => void pull(lever)}
    >
      <span className="title">{pulled ? lever.back : lever.title}</span>
      <span className="what" id={id}>
        {lever.what}
      </span>
      <Handle toggles={!!lever.back} />
    </button>
  )
}

/** Shows which kind it is: one that springs back, or one that stays. */
function Handle({ toggles }: { toggles: boolean }) {
  return (
    <svg className="handle" viewBox="0 0 24 24" width="24" height="24" aria-hidden="true">
      {toggles ? (
        <>
          <rect x="2" y="6" width="20" height="12" rx="6" />
          <circle cx="8" cy="12" r="3.2" />
        </>
      ) : (
        <path d="M9 5.5 16.5 12 9 18.5" />
      )}
    </svg>
  )
}

function Positions({ lever }: { lever: Lever }) {
  const { clock } = useStore(world)
  return (
    <fieldset className="positions" disabled={useStore(busy)}>
      <legend>
        <span className="title">{lever.title}</span> <span className="what">{lever.what}</span>
      </legend>
      {lever.positions?.map(({ label, value }) => (
        <label key={value}>
          <input
            type="radio"
            name={lever.id}
            checked={clock === value}
            onChange={() => void pull(lever, value)}
          />
          <span>{label}</span>
        </label>
      ))}
    </fieldset>
  )
}
