import { Store } from './store.ts'

// The world that both clients live in, and what can go wrong in it. They reach
// the server through `faulty`, and read the clock that is set here.

export interface World {
  online: boolean
  /** By how much the device's clock is ahead, in minutes. */
  clock: number
}

export const world = new Store<World>({ online: true, clock: 0 })

/** What a client sends and gets, as the network sees it. */
export interface Wire {
  method: string
  path: string
  /** The Idempotency-Key that it was sent with. */
  key: string | null
  /** 0 where no answer came. */
  status: number
  code: string | null
  denial: string | null
}

/** Those whose next refresh goes unanswered. */
const losing = new Set<object>()

/** Lets the server act on the next refresh of `who`, and keeps the answer from it. */
export const loseNextAnswer = (who: object) => losing.add(who)

/** A `fetch` for `who` in this world. It tells `watch` of every request, once that is over. */
export function faulty(who: object, watch: (wire: Wire) => void): typeof fetch {
  return async (input, init) => {
    const url = new URL(input instanceof Request ? input.url : input, location.href)
    const headers = new Headers(init?.headers)
    const wire: Wire = {
      method: init?.method ?? 'GET',
      path: url.pathname,
      key: headers.get('Idempotency-Key'),
      status: 0,
      code: null,
      denial: null,
    }
    try {
      if (!world.get().online) throw new TypeError('Failed to fetch')
      if (url.pathname === '/auth/refresh' && losing.delete(who)) {
        // The server acts and answers nothing: not even the cookie arrives.
        headers.set('Doorward-Dev', 'lose-answer')
        await fetch(input, { ...init, headers })
        throw new TypeError('Failed to fetch')
      }
      const response = await fetch(input, init)
      wire.status = response.status
      if (!response.ok) Object.assign(wire, await told(response.clone()))
      return response
    } finally {
      watch(wire)
    }
  }
}

async function told(response: Response): Promise<Pick<Wire, 'code' | 'denial'>> {
  try {
    const { code = null, instance = null } = await response.json()
    return { code, denial: instance }
  } catch {
    return { code: null, denial: null }
  }
}

const RealDate = Date

/** The real time in milliseconds, whatever the clock is set to. */
export const now = (): number => RealDate.now()

class SettableDate extends RealDate {
  constructor(...args: unknown[]) {
    super(...((args.length ? args : [SettableDate.now()]) as [number]))
  }

  static override now(): number {
    return RealDate.now() + world.get().clock * 60_000
  }
}

/**
 * Lets the clock of this page be set, and its network be cut. The server is on
 * this machine, so that it is reached without a network too.
 */
export function install(): void {
  globalThis.Date = SettableDate as DateConstructor
  Object.defineProperty(navigator, 'onLine', { configurable: true, get: () => world.get().online })
}

export function setClock(minutes: number): void {
  world.update({ clock: minutes })
}

/** Takes the network away or brings it back, and says so as browsers do. */
export function setOnline(online: boolean): void {
  world.update({ online })
  window.dispatchEvent(new Event(online ? 'online' : 'offline'))
}
