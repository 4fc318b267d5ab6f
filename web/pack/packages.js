import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const web = fileURLToPath(new URL('..', import.meta.url))

/** What is published, in the order of what needs what. */
export const packages = ['client', 'react']

/**
 * Runs a command, and shows what it said only where it failed.
 *
 * @param {string} dir
 * @param {string} command
 * @param {...string} args
 */
export function run(dir, command, ...args) {
  try {
    return execFileSync(command, args, { cwd: dir, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] })
  } catch (error) {
    const { stdout, stderr } = /** @type {{ stdout: string, stderr: string }} */ (error)
    throw new Error(`${command} ${args.join(' ')}\n${stdout}${stderr}`)
  }
}

/**
 * Runs a command of a package that is installed in `dir`.
 *
 * @param {string} dir
 * @param {string} command
 * @param {...string} args
 */
export function runInstalled(dir, command, ...args) {
  return run(dir, join(dir, 'node_modules/.bin', command), ...args)
}

/** @param {string} name */
export function manifest(name) {
  return JSON.parse(readFileSync(join(web, name, 'package.json'), 'utf8'))
}

/**
 * Builds the packages, packs them as for the registry, and calls `use` with the
 * paths of the archives and an empty folder, which is gone afterwards.
 *
 * @param {(archives: string[], dir: string) => void | Promise<void>} use
 */
export async function withPacked(use) {
  const dir = mkdtempSync(join(tmpdir(), 'doorward-pack-'))
  try {
    run(web, 'npm', 'run', 'build')
    const archives = packages.map((name) => {
      const said = run(
        join(web, name),
        'npm',
        'pack',
        '--json',
        '--ignore-scripts',
        '--pack-destination',
        dir,
      )
      return join(dir, JSON.parse(said)[0].filename)
    })
    await use(archives, dir)
  } finally {
    rmSync(dir, { recursive: true, force: true })
  }
}
