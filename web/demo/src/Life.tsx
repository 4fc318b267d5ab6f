import { useEffect, useState } from 'react'
import { clock } from './words.ts'

interface Reading {
  /** Seconds. */
  left: number
  life: number
  /** With this much left the client renews. */
  due: number
}

/** The life of an access token, as its client believes it to be. */
export function Life({ of, read }: { of: string; read: () => Reading }) {
  const [, tick] = useState(0)
  useEffect(() => {
    const timer = setInterval(() => tick((n) => n + 1), 500)
    return () => clearInterval(timer)
  }, [])
  const { left, life, due } = read()
  const share = (seconds: number) => (life > 0 ? Math.min(1, Math.max(0, seconds / life)) : 0)
  return (
    <div className="life">
      <p>
        <span className="left">{clock(left)}</span> <span>{of}</span>
      </p>
      <meter className="unseen" aria-label="Life of the access token" max={life || 1} low={due} value={left}>
        {clock(left)} of {clock(life)}
      </meter>
      <div className="bar-track" aria-hidden="true">
        <div className="fill" style={{ transform: `scaleX(${share(left)})` }} />
        <div className="due" style={{ left: `${share(due) * 100}%` }} />
      </div>
      <p className="due-label" style={{ paddingLeft: `${share(due) * 100}%` }}>
        <span>renews at {clock(due)}</span>
      </p>
    </div>
  )
}
