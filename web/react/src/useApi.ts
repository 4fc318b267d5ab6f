import { useEffect, useReducer, useState } from 'react'
import type { ApiClient, ApiRequestInit, AuthClient } from '@doorward/client'
import { useShared } from './context.ts'

/** Sends requests with the session. The functions stay the same from render to render. */
export interface Api extends ApiClient {
  /** `fetch` with the session: answers with the `Response`, whatever its status. */
  authenticatedFetch: AuthClient['fetch']
}

/** What is known of one path. */
export interface ApiState<T> extends Api {
  /** What the API answered; kept while reloading, forgotten at once when the session ends. */
  data: T | undefined
  /** An AuthError where the API refused; a TypeError where it could not be reached. */
  error: Error | null
  /** An answer is on its way, or it is not known yet whether somebody is signed in. */
  loading: boolean
  /** Asks again. */
  reload: () => void
}

export interface UseApiOptions {
  /** Whether to ask. Default: true. */
  enabled?: boolean | undefined
  /** Members that are undefined are left out. */
  query?: ApiRequestInit['query'] | undefined
}

interface Answer {
  /** What was asked, and as whom. */
  key: string | null
  turn: number
  data: unknown
  error: Error | null
}

const nothing: Answer = { key: null, turn: 0, data: undefined, error: null }

/** The functions alone, for requests that an event makes. */
export function useApi(): Api
/**
 * GETs JSON from `path` while somebody is signed in: again when another user
 * signs in, never when `path` is empty. A path relative to the page, or a URL
 * that the client covers. `T` is what you expect: nothing checks it.
 */
export function useApi<T = unknown>(path: string | null | undefined | false, options?: UseApiOptions): ApiState<T>
export function useApi(
  ...args: [path?: string | null | false, options?: UseApiOptions]
): Api | ApiState<unknown> {
  const { api, snapshot } = useShared('useApi')
  const [path, { enabled = true, query } = {}] = args
  const asks = Boolean(path) && enabled
  const key = asks && snapshot.user ? JSON.stringify([snapshot.user.id, path, query]) : null

  const [turn, reload] = useReducer((turn: number) => turn + 1, 0)
  const [answer, settle] = useState(nothing)

  useEffect(() => {
    settle((held) => (held.key === key ? held : nothing))
    if (key === null) return
    const aborter = new AbortController()
    void ask(aborter.signal)
    return () => aborter.abort()

    async function ask(signal: AbortSignal) {
      const [, path, query] = JSON.parse(key!)
      await null // StrictMode rehearses each effect: what it aborts at once is never sent.
      if (signal.aborted) return
      try {
        const data = await api.get(path, { query, signal })
        if (!signal.aborted) settle({ key, turn, data, error: null })
      } catch (error) {
        if (!signal.aborted) settle((held) => ({ key, turn, data: held.data, error: error as Error }))
      }
    }
  }, [api, key, turn])

  if (args.length === 0) return api
  // Told apart while rendering, not in the effect after it: no frame shows what belongs to another.
  const held = answer.key === key ? answer : nothing
  const settled = key === null || (held.key === key && held.turn === turn)
  return {
    ...api,
    data: held.data,
    error: settled ? held.error : null,
    loading: asks && (snapshot.status === 'loading' || !settled),
    reload,
  }
}
