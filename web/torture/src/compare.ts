import { readFileSync } from 'node:fs'
import { launch } from './chromium.ts'
import { build } from './doorward.ts'
import type { Losses } from './judge.ts'
import { lanes } from './lanes.ts'
import { certify } from './proxy.ts'
import { run, type Result } from './run.ts'
import { scenarios } from './scenarios.ts'
import { storm } from './storm.ts'
import type { Subject } from './world.ts'

// npm run compare --workspace torture -- [--seed SEED] [NAME …]

// Each client has the life of token with which it wants a new one about every
// five seconds: the guide takes a token for expired five minutes before it is.
const subjects: readonly (Subject & { title: string })[] = [
  { title: '@doorward/client, cookie', script: 'doorward', transport: 'cookie', life: '5s', shares: true },
  { title: '@doorward/client, bearer', script: 'doorward', transport: 'bearer', life: '5s', shares: true },
  { title: 'the guide', script: 'guide', transport: 'bearer', life: '305s', shares: false },
  {
    title: 'axios-auth-refresh, cookie',
    script: 'axios-auth-refresh',
    transport: 'cookie',
    life: '5s',
    shares: false,
  },
  {
    title: 'axios-auth-refresh, bearer',
    script: 'axios-auth-refresh',
    transport: 'bearer',
    life: '5s',
    shares: false,
  },
]

const args = process.argv.slice(2)
const at = args.indexOf('--seed')
const seed = at < 0 ? Math.random().toString(36).slice(2, 8) : (args.splice(at, 2)[1] ?? '')

/** What was lost, shortly; nothing lost is a dash. */
function cell({ signOuts, shown401, failed, hung }: Losses): string {
  const parts = [
    signOuts && `${signOuts} sign-out${signOuts > 1 ? 's' : ''}`,
    shown401 && `${shown401} × 401`,
    failed && `${failed} failed`,
    hung && `${hung} hung`,
  ]
  return parts.filter(Boolean).join(', ') || '–'
}

function table(results: readonly Result[], cellOf: (losses: Losses) => string): void {
  console.log(`\n| | ${subjects.map(({ title }) => title).join(' | ')} |`)
  console.log(`|---|${subjects.map(() => '---|').join('')}`)
  for (const name of new Set(results.map(({ scenario }) => scenario.name))) {
    const cells = subjects.map((subject) => {
      const result = results.find((each) => each.scenario.name === name && each.subject === subject)
      return result ? cellOf(result.losses) : ''
    })
    console.log(`| ${name} | ${cells.join(' | ')} |`)
  }
}

const version = (name: string) => {
  const file = new URL(`../../node_modules/${name}/package.json`, import.meta.url)
  return `${name} ${(JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version}`
}

for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1))
process.setMaxListeners(0)
const browser = await launch()
try {
  const bench = { binary: await build(), certificate: await certify(), browser, seed }
  const wanted = [...scenarios, storm].filter(
    ({ name, comparable }) => comparable && (!args.length || args.includes(name)),
  )
  const results: Result[] = []
  const one = (scenario: (typeof wanted)[number], subject: Subject) => async () => {
    const result = await run(bench, scenario, subject)
    console.error(
      `${scenario.name}, ${subject.script}, ${subject.transport}: ${JSON.stringify(result.losses)}`,
    )
    results.push(result)
  }
  await lanes(
    4,
    wanted
      .filter((each) => !each.heavy)
      .flatMap((scenario) => subjects.map((subject) => one(scenario, subject))),
  )
  await lanes(
    1,
    wanted
      .filter((each) => each.heavy)
      .flatMap((scenario) => subjects.map((subject) => one(scenario, subject))),
  )
  results.sort((a, b) => wanted.indexOf(a.scenario) - wanted.indexOf(b.scenario))
  console.log(
    `Chromium ${browser.version()}, ${version('axios')}, ${version('axios-auth-refresh')}, seed ${seed}`,
  )
  table(results, cell)
  table(
    results,
    ({ calls, sentTwice, refreshes, reused }) => `${calls} / ${sentTwice} / ${refreshes} / ${reused}`,
  )
} finally {
  await browser.close()
}
