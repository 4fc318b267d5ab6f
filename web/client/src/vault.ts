import { unavailable } from './errors.ts'
import { sessionOf } from './token-manager.ts'
import type { TokenStorage } from './types.ts'

/** An answer that hands out tokens. */
export interface Grant {
  accessToken: string
  /** Seconds. */
  expiresIn: number
  /** Absent where it travels in a cookie. */
  refreshToken?: string
  user: { id: string; email: string; name: string }
}

/** What a refresh is asked with. */
export interface Ask {
  /** Absent where it travels in a cookie. */
  refreshToken?: string
  /** The Idempotency-Key; absent where there is no place to save one. */
  key?: string
}

/**
 * Where the refresh token is kept, and with it the key of the refresh that is
 * not settled yet. All who share the token share the key: a repeated refresh
 * must look like the same one, however late it comes and whoever sends it.
 */
export interface Vault {
  /**
   * What to ask with, its key saved. Null where there is nothing, or only what
   * the person has signed out of and does not mean. Send in the same task.
   */
  ask(leaving?: boolean): Promise<Ask | null>
  /**
   * Takes the answer to `asked`, null where it was denied for good. False
   * where somebody has put another token here meanwhile: that one counts.
   */
  settle(asked: Ask, answer: Grant | null): Promise<boolean>
  /**
   * The key of the refresh that is not settled yet. One that was `asked` with,
   * and not answered, is put back if somebody has dropped it.
   */
  pending(asked?: string): Promise<string | undefined>
  /** Takes a new sign-in, or, without one, forgets everything. */
  put(answer?: Grant): Promise<void>
  /** Says that the person has signed out, until the server has been told by `route`. */
  leave(route: string): Promise<void>
  /** The route by which the server is still to be told of a sign-out. */
  left(): Promise<string | undefined>
  /** Whether the session of that name is kept here; with a cookie nobody knows. */
  holds(session: string | undefined): Promise<boolean>
}

/** 128 random bits. `randomUUID` is not there on plain http. */
const randomKey = () => crypto.getRandomValues(new Uint32Array(4)).join('-')

/** As long as a refresh token can live. */
const longest = 2_592_000 // seconds: 30 days

export const attemptCookie = 'doorward-attempt'
export const leaveCookie = 'doorward-left'

/**
 * The refresh token is in a cookie that no script can read; its key is in one
 * of the page's own, so that whatever renders on the server sees it too.
 */
export function cookieVault(): Vault {
  let leaving: string | undefined
  const read = (name: string): string | undefined => {
    try {
      return document.cookie.match(`(?:^|; )${name}=([^;]*)`)?.[1]
    } catch {
      return name === leaveCookie ? leaving : undefined // no document, or a sandbox without cookies
    }
  }
  const write = (name: string, value: string): void => {
    try {
      const secure = location.protocol === 'https:' ? '; Secure' : ''
      document.cookie = `${name}=${value}; Path=/; SameSite=Strict; Max-Age=${value ? longest : 0}${secure}`
    } catch {
      // As above.
    }
  }
  return {
    async ask(leaving) {
      if (read(leaveCookie) && !leaving) return null
      if (!read(attemptCookie)) write(attemptCookie, randomKey())
      const key = read(attemptCookie)
      return key ? { key } : {}
    },
    async settle(asked) {
      if (read(attemptCookie) === asked.key) write(attemptCookie, '')
      return true
    },
    async pending(asked) {
      // The browser may have sent the token of an answer that another tab was about to
      // settle. Then its key has been dropped, and was used once more.
      if (asked && !read(attemptCookie)) write(attemptCookie, asked)
      return read(attemptCookie)
    },
    async put() {
      write(attemptCookie, '')
      write(leaveCookie, (leaving = ''))
    },
    leave: async (route) => write(leaveCookie, (leaving = route)),
    left: async () => read(leaveCookie),
    holds: async () => true,
  }
}

/** The one record of the bearer transport: a token is never without its key. */
interface Kept {
  refreshToken: string
  key?: string
  /** The session, as the access token names it. */
  session?: string
  /** The route by which the server is still to be told of a sign-out. */
  left?: string
}

/** The refresh token is in `storage`, or in memory where that fails or there is none. */
export function storageVault(name: string, storage?: TokenStorage): Vault {
  let memory: string | null = null
  let broken = !storage
  /** Failed reads before the first that did not. */
  let misses = 0
  const read = async (): Promise<Kept | null> => {
    let text = memory
    if (!broken) {
      try {
        text = await storage!.getItem(name)
        misses = -Infinity
      } catch (error) {
        // It may be locked for the moment. What is in memory may be older than what it holds.
        if (++misses < 3) throw unavailable('The session cannot be renewed', error)
        broken = true
      }
    }
    try {
      const kept = JSON.parse(text ?? 'null') as Kept | null
      return kept?.refreshToken ? kept : null
    } catch {
      return null // not ours
    }
  }
  const write = async (kept: Kept | null): Promise<void> => {
    memory = kept && JSON.stringify(kept)
    if (broken) return
    try {
      if (memory) await storage!.setItem(name, memory)
      else await storage!.removeItem(name)
    } catch {
      broken = true // denied or full: this tab goes on by itself
    }
  }
  const keep = async (answer?: Grant | null): Promise<void> => {
    const session = answer && sessionOf(answer.accessToken)
    await write(answer ? { refreshToken: answer.refreshToken!, ...(session && { session }) } : null)
  }
  return {
    async ask(leaving) {
      const kept = await read()
      if (!kept || (kept.left && !leaving)) return null
      if (!kept.key) await write(Object.assign(kept, { key: randomKey() }))
      return { refreshToken: kept.refreshToken, key: kept.key! }
    },
    async settle(asked, answer) {
      const kept = await read()
      if (kept?.refreshToken !== asked.refreshToken || kept?.left) return false
      await keep(answer)
      return true
    },
    pending: async () => (await read())?.key, // a token and its key are one record: none is dropped alone
    put: keep,
    async leave(left) {
      const kept = await read()
      if (kept) await write({ ...kept, left })
    },
    left: async () => (await read())?.left,
    async holds(session) {
      const kept = await read()
      return !!kept && !kept.left && kept.session === session
    },
  }
}
