import type { Browser } from 'playwright-core'
import { judge, losses, type Fault, type Losses } from './judge.ts'
import type { Certificate } from './proxy.ts'
import type { Scenario } from './scenarios.ts'
import { deadline, World, type Subject } from './world.ts'

export interface Result {
  scenario: Scenario
  subject: Subject
  seed: string
  faults: Fault[]
  losses: Losses
  world: World
}

export interface Bench {
  binary: string
  certificate: Certificate
  browser: Browser
  seed: string
}

/** Puts one client through one scenario. */
export async function run(bench: Bench, scenario: Scenario, subject: Subject): Promise<Result> {
  const seed = `${bench.seed}/${scenario.name}`
  const world = await World.open({ ...bench, ...scenario.options, seed, subject })
  try {
    await within(3 * deadline + (scenario.length ?? 0), scenario.run(world)).catch((error: Error) =>
      world.failures.push(error.message),
    )
    await within(3 * deadline, world.settle()).catch((error: Error) => world.failures.push(error.message))
    return { scenario, subject, seed, faults: judge(world), losses: losses(world), world }
  } finally {
    await world.close()
  }
}

/** A browser that hangs must not hang the judge. */
async function within(ms: number, work: Promise<void>): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`not done after ${ms / 1000} s`)), ms)
  })
  await Promise.race([work, late]).finally(() => clearTimeout(timer))
}
