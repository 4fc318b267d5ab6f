import { useState } from 'react'
import { page } from './page.ts'

/** A code, with the way to the page about it and the command that tells this refusal's story. */
export function Code({ code, denial }: { code: string; denial?: string | null | undefined }) {
  return (
    <span className="code">
      <a href={`/errors/${code}${denial ? `?denial=${denial}` : ''}`} target="_blank" rel="noopener">
        {code}
      </a>
      {denial && <Why denial={denial} />}
    </span>
  )
}

function Why({ denial }: { denial: string }) {
  const [copied, setCopied] = useState(false)
  const command = `${page.why} ${denial}`
  async function copy() {
    await navigator.clipboard.writeText(command)
    setCopied(true)
    setTimeout(() => setCopied(false), 1500)
  }
  return (
    <button
      type="button"
      className="why"
      title={`Copy: ${command}`}
      onClick={() => void copy().catch(() => {})}
    >
      {copied ? 'copied' : `why …${denial.slice(-6)}`}
    </button>
  )
}
