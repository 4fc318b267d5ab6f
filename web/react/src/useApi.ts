import { useEffect, useReducer, useState } from 'react'
import type { AuthClient } from '@doorward/client'
import type { ApiClient, ApiRequestInit } from '@doorward/client/api'
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
  /** Whether to ask; where not, there is no data. Default: true. */
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
export function useApi<T = unknown>(
  path: string | null | undefined | false,
  options?: UseApiOptions,
): ApiState<T>
export function useApi(
  ...args: [path?: string | null | false, options?: UseApiOptions]
): Api | ApiState<unknown> {
  const { api, snapshot } = useShared('useApi')
  const [path, { enabled = true, query } = {}] = args
  const asks = Boolean(path) && enabled
  const key = asks && snapshot.user ? JSON.stringify([snapshot.user.id, path, query]) : null

  const [turn, reload] = useReducer((count: number) => count + 1, 0)
  const [answer, settle] = useState(nothing)

  useEffect(() => {
    settle((held) => (held.key === key ? held : nothing))
    if (key === null) return
    const aborter = new AbortController()
    const { signal } = aborter
    const [, url, search] = JSON.parse(key)
    api.get(url, { query: search, signal }).then(
      (data) => signal.aborted || settle({ key, turn, data, error: null }),
      (error) => signal.aborted || settle((held) => ({ ...held, key, turn, error })),
    )
    return () => aborter.abort()
  }, [api, key, turn])

  if (args.length === 0) return api
  // Told apart while rendering, not in the effect after it: no frame shows what belongs to another.
  const held = answer.key === key ? answer : nothing
  const settled = key === null || (held !== nothing && held.turn === turn)
  return {
    ...api,
    data: held.data,
    error: settled ? held.error : null,
    loading: asks && (snapshot.status === 'loading' || !settled),
    reload,
  }
}
