import { afterEach, beforeEach, vi } from 'vitest'
import {
  createAuthClient,
  type AuthClient,
  type AuthClientOptions,
  type AuthEvent,
  type SessionEnd,
} from '../src/index.ts'
import { World, ada, browser, password } from './world.ts'

/* The tabs of one browser before one server, with a clock that the test turns. Import it once in a file of tests. */

export let world: World
export let page: ReturnType<typeof browser>
/** A storage that all tabs of the bearer transport share. */
export let shared: ReturnType<typeof memory>
/** What the programs in all tabs were told. */
export const ends: SessionEnd[] = []
export const events: AuthEvent[] = []
let open: AuthClient[] = []

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'Date', 'performance'] })
  world = new World()
  world.latency = 5
  page = browser()
  shared = memory()
})

afterEach(() => {
  for (const client of open) client.close()
  open = []
  ends.length = events.length = 0
  vi.unstubAllGlobals()
  vi.useRealTimers()
})

function memory() {
  const kept = new Map<string, string>()
  return {
    kept,
    getItem: (key: string): string | null => kept.get(key) ?? null,
    setItem: (key: string, value: string) => void kept.set(key, value),
    removeItem: (key: string) => void kept.delete(key),
  }
}

/** The promises hold for both ways in which a refresh token travels. */
export const transports: [string, () => AuthClientOptions][] = [
  ['cookie', () => ({})],
  ['bearer', () => ({ transport: 'bearer', storage: shared })],
]

export function tab(options: AuthClientOptions = {}): AuthClient {
  const client = createAuthClient({
    fetch: world.fetch,
    onSessionEnd: (end) => ends.push(end),
    onEvent: (event) => events.push(event),
    ...options,
  })
  open.push(client)
  return client
}

export async function signedIn(options: AuthClientOptions = {}): Promise<AuthClient> {
  const client = tab(options)
  await settle(client.login({ email: ada.email, password }))
  return client
}

/** Lets time pass until `promise` is settled. */
export async function settle<T>(promise: Promise<T>): Promise<T> {
  let settled = false
  promise.then(
    () => (settled = true),
    () => (settled = true),
  )
  for (let i = 0; i < 5000 && !settled; i++) await vi.advanceTimersByTimeAsync(i < 100 ? 1 : 50)
  if (!settled) throw new Error('it hangs')
  return promise
}

export const pass = (ms: number) => vi.advanceTimersByTimeAsync(ms)

/** The error that `promise` rejects with. */
export const refusal = (promise: Promise<unknown>) =>
  settle(
    promise.then(
      () => null,
      (error: unknown) => error,
    ),
  )

/** The status of the answer to a call. */
export const get = async (client: AuthClient, path = '/api/inbox', init?: RequestInit) =>
  (await settle(client.fetch(path, init))).status
