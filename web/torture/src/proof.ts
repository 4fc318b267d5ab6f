import type { Check } from './judge.ts'
import { run, type Bench } from './run.ts'
import { scenarios } from './scenarios.ts'
import type { Transport } from './world.ts'

/** Our client with one thing done wrong, a scenario that shows it, and what the judge must say. */
export interface Proof {
  twist: string
  scenario: string
  transport: Transport
  check: Check
}

export const proofs: readonly Proof[] = [
  { twist: 'keyless', scenario: 'answers lost', transport: 'cookie', check: 'rotation' },
  { twist: 'eager', scenario: 'two tabs', transport: 'bearer', check: 'rotation' },
  { twist: 'hasty', scenario: 'answer lost', transport: 'bearer', check: 'sign-out nobody asked for' },
  {
    twist: 'blunt',
    scenario: 'strict clock elsewhere',
    transport: 'cookie',
    check: '401 that could be mended',
  },
  { twist: 'stubborn', scenario: 'forbidden', transport: 'bearer', check: 'more than two sends' },
  { twist: 'leaky', scenario: 'other origins', transport: 'cookie', check: 'token to another origin' },
  { twist: 'loud', scenario: 'suspended', transport: 'bearer', check: 'told of the end' },
  { twist: 'mute', scenario: 'every tenth lost', transport: 'cookie', check: 'hangs' },
]

/** Whether the judge sees what is wrong; else what it saw. A machine that stalls excuses much: it may look three times. */
export async function prove(bench: Bench, { twist, scenario, transport, check }: Proof): Promise<string> {
  const found = scenarios.find(({ name }) => name === scenario)
  if (!found) return `there is no scenario ${scenario}`
  const seen = new Set<Check>()
  for (let look = 0; look < 3 && !seen.has(check); look++) {
    const subject = { script: `broken:${twist}`, transport, life: '5s', shares: true }
    for (const fault of (await run(bench, found, subject)).faults) seen.add(fault.check)
  }
  return seen.has(check) ? '' : `the judge saw ${[...seen].join(', ') || 'nothing'}, not ${check}`
}
