import { mkdirSync, writeFileSync } from 'node:fs'
import { launch } from './chromium.ts'
import { Dice } from './dice.ts'
import { build } from './doorward.ts'
import { around, story } from './judge.ts'
import { lanes } from './lanes.ts'
import { proofs, prove } from './proof.ts'
import { certify } from './proxy.ts'
import { run, type Bench } from './run.ts'
import { scenarios, type Scenario } from './scenarios.ts'
import { storm } from './storm.ts'
import { meetNeighbours } from './street.ts'
import type { Subject, Transport } from './world.ts'

// npm run torture --workspace torture -- [NAME …] [--seed SEED] [--transport cookie|bearer] [--lanes N]
//
// NAME is that of a scenario, 'the judge' for the proof that it can find a
// fault, or 'neighbours' for other people's clients. Without names all are run.

const args = process.argv.slice(2)
const option = (name: string) => {
  const at = args.indexOf(`--${name}`)
  return at < 0 ? undefined : args.splice(at, 2)[1]
}
const seed = option('seed') ?? Math.random().toString(36).slice(2, 8)
const transport = option('transport')
const width = Number(option('lanes') ?? 8)
const soak = Boolean(process.env.SOAK)

const all = [...scenarios, storm]
const names = [...all.map(({ name }) => name), 'the judge', 'neighbours']
for (const arg of args) {
  if (!names.includes(arg)) {
    console.error(`there is no scenario ${arg}; there are: ${names.join(', ')}`)
    process.exit(2)
  }
}
const wanted = (name: string) => args.length === 0 || args.includes(name)

let runs = 0
let faults = 0

function tell(name: string, how: string, found: readonly string[]): void {
  runs++
  faults += found.length
  console.log(`${(found.length ? 'FAULT' : 'ok').padEnd(6)}${name.padEnd(32)}${how}`)
  for (const line of found.slice(0, 8)) console.log(`      ${line}`)
  if (found.length > 8) console.log(`      and ${found.length - 8} more`)
}

async function torture(bench: Bench, scenario: Scenario, subject: Subject): Promise<void> {
  const result = await run(bench, scenario, subject)
  const { losses, world } = result
  const found = result.faults.map(
    ({ check, tab, at, text }) => `${check}: ${tab} at ${((at - world.began) / 1000).toFixed(3)} s: ${text}`,
  )
  tell(`${scenario.name}, ${subject.transport}`, `${losses.calls} calls, ${losses.refreshes} renewals`, found)
  const [first] = result.faults
  if (!first) return
  console.log(`      This is: ${scenario.about}`)
  const folder = new URL('./faults/', import.meta.url).pathname
  mkdirSync(folder, { recursive: true })
  const file = `${folder}${scenario.name.replace(/\W+/g, '-')}-${subject.transport}.log`
  writeFileSync(file, story(world).join('\n'))
  console.log(`      All that happened: ${file}`)
  for (const line of around(world, first)) console.log(`        ${line}`)
}

/** The transports that a scenario is run with. */
function transports({ name, transports = ['cookie', 'bearer'], either }: Scenario): readonly Transport[] {
  if (transport) return transports.filter((each) => each === transport)
  return either && !soak ? [new Dice(`${seed}/${name}`).pick(['cookie', 'bearer'])] : transports
}

for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1))
process.setMaxListeners(0) // each server that runs is ended when this program is
const browser = await launch()
try {
  const bench: Bench = { binary: await build(), certificate: await certify(), browser, seed }
  console.log(`seed ${seed}, Chromium ${browser.version()}`)
  const work = (some: readonly Scenario[]) =>
    some
      .filter(({ name }) => wanted(name))
      .flatMap((scenario) =>
        transports(scenario).map((each) => () => {
          return torture(bench, scenario, { script: 'doorward', transport: each, life: '5s', shares: true })
        }),
      )
  const proof = proofs.map((each) => async () => {
    const fault = await prove(bench, each)
    tell('the judge', `a client that is ${each.twist}`, fault ? [fault] : [])
  })
  const light = work(all.filter(({ heavy }) => !heavy))
  await lanes(width, wanted('the judge') ? [...light, ...proof] : light)
  if (wanted('neighbours')) {
    for (const { name, fault } of await meetNeighbours(bench.binary, browser))
      tell('neighbours', name, fault ? [fault] : [])
  }
  await lanes(1, work(all.filter(({ heavy }) => heavy)))
  console.log(
    `${runs} runs, ${faults} faults; again with: npm run torture --workspace torture -- --seed ${seed}`,
  )
  process.exitCode = faults || !runs ? 1 : 0
} finally {
  await browser.close()
}
