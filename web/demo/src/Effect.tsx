import type { Effect as Told } from './levers.ts'

/** What a lever did to one of the clients. */
export function Effect({ who, effect }: { who?: string; effect: Told }) {
  const { end, good, detail, turns } = effect
  return (
    <div className="effect" data-good={good}>
      {who && <h4>{who}</h4>}
      {end && <p className="end">{end}</p>}
      {detail && <p className="detail">{detail}</p>}
      {turns && (
        <ol className="ladder" aria-label="Turns of the thief and the owner">
          {turns.map(({ who, refused }, i) => (
            // Turns are only ever added.
            <li key={i} className={`${who} ${refused ? 'bad' : ''}`}>
              <b>{who}</b> {refused ?? 'renewed'}
            </li>
          ))}
        </ol>
      )}
    </div>
  )
}
