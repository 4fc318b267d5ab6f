import { useEffect, useState } from 'react'
import { Code } from './Code.tsx'
import type { Entry, Journal } from './journal.ts'
import { useStore } from './store.ts'

const format = new Intl.DateTimeFormat('en-GB', {
  hour: '2-digit',
  minute: '2-digit',
  second: '2-digit',
  fractionalSecondDigits: 3,
} as Intl.DateTimeFormatOptions)

/** What a client did, the latest first. */
export function Timeline({ id, title, journal }: { id: string; title: string; journal: Journal }) {
  const entries = useStore(journal.entries)
  return (
    <section className={`timeline ${id}`} aria-labelledby={`${id}-timeline`}>
      <h3 id={`${id}-timeline`}>{title}</h3>
      {entries.length === 0 && <p className="empty">Nothing yet.</p>}
      <ol>
        {entries.map((entry) => (
          <Line key={entry.id} entry={entry} />
        ))}
      </ol>
      <Announcer who={title} entries={entries} />
    </section>
  )
}

function Line({ entry }: { entry: Entry }) {
  const { title, result, tone, steps, count, at } = entry
  return (
    <li className={`entry ${tone}`}>
      <p className="head">
        <time dateTime={new Date(at).toISOString()}>{format.format(at)}</time>
        <span className="title">{title}</span>
        {count > 1 && <span className="count">× {count}</span>}
        {result && <span className="result">{result}</span>}
      </p>
      {(steps.length > 2 || steps.some((step) => step.code) || !/^\d/.test(result)) && (
        <ol className="steps">
          {steps.map((step, i) => (
            // Steps are only ever added.
            <li key={i} className={step.tone}>
              {step.text} {step.code && <Code code={step.code} denial={step.denial} />}
            </li>
          ))}
        </ol>
      )}
    </li>
  )
}

/** Says aloud what matters: not every call that went well. */
function Announcer({ who, entries }: { who: string; entries: readonly Entry[] }) {
  const [said, say] = useState('')
  const last = entries.find((entry) => entry.steps.at(-1)?.tone !== 'quiet' && entry.result !== '200')
  const text = last ? `${who}: ${last.title}: ${last.steps.at(-1)?.text}` : ''
  useEffect(() => say(text), [text])
  return (
    <p className="unseen" aria-live="polite">
      {said}
    </p>
  )
}
