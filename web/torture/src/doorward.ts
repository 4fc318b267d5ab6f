import { execFile, spawn, type ChildProcess } from 'node:child_process'
import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)

/** The server takes every DOORWARD_… for a setting of its own. */
const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('DOORWARD_')))

/** Builds the binary, or takes the one that TORTURE_BINARY names. */
export async function build(): Promise<string> {
  const given = process.env.TORTURE_BINARY
  if (given) return given
  const path = join(await mkdtemp(join(tmpdir(), 'doorward-torture-')), 'doorward')
  const root = new URL('../../../', import.meta.url).pathname
  await run('go', ['build', '-o', path, './cmd/doorward'], { cwd: root })
  return path
}

/** The real server, on a store of its own. It can be ended, killed and stopped in its tracks. */
export class Doorward {
  readonly #binary: string
  readonly #args: string[]
  readonly #store: string
  #process: ChildProcess | null = null
  /** Kept over restarts. */
  port = 0

  private constructor(binary: string, store: string, args: string[]) {
    this.#binary = binary
    this.#store = store
    this.#args = args
  }

  /** Without an issuer it is the server's own address. */
  static async start(binary: string, issuer: string | null, life: string): Promise<Doorward> {
    const store = `sqlite:${join(await mkdtemp(join(tmpdir(), 'doorward-torture-')), 'store.db')}`
    const named = issuer ? ['--issuer', issuer] : []
    const server = new Doorward(binary, store, [...named, '--access-life', life, '--log-level', 'error'])
    await server.start()
    return server
  }

  async start(): Promise<void> {
    const args = ['dev', '--store', this.#store, '--listen', `127.0.0.1:${this.port}`, ...this.#args]
    const child = spawn(this.#binary, args, { stdio: ['ignore', 'pipe', 'pipe'], env })
    this.#process = child
    const kill = () => void child.kill('SIGKILL')
    process.once('exit', kill)
    child.once('exit', () => process.off('exit', kill))
    let said = ''
    await new Promise<void>((resolve, reject) => {
      child.stderr.on('data', (data: Buffer) => (said += data))
      child.stdout.on('data', (data: Buffer) => {
        said += data
        const port = /listening on http:\/\/127\.0\.0\.1:(\d+)/.exec(said)?.[1]
        if (!port) return
        this.port = Number(port)
        resolve()
      })
      child.once('exit', () => reject(new Error(`doorward did not start: ${said}`)))
    })
  }

  /** Ends the process and waits until it is gone. */
  async end(signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
    const child = this.#process
    this.#process = null
    if (!child || child.exitCode !== null || child.signalCode !== null) return
    const gone = new Promise((resolve) => child.once('exit', resolve))
    child.kill('SIGCONT')
    child.kill(signal)
    await gone
  }

  async restart(signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
    await this.end(signal)
    await this.start()
  }

  /** Stops the process in its tracks, as a machine out of memory or a store that hangs would. */
  stop(): void {
    this.#process?.kill('SIGSTOP')
  }

  go(): void {
    this.#process?.kill('SIGCONT')
  }

  /** Runs a command on the store, beside the server. */
  async command(...args: string[]): Promise<string> {
    return (await run(this.#binary, [...args, '--store', this.#store], { env })).stdout
  }
}
