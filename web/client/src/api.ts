import { errorFrom, type AuthError } from './errors.ts'
import type { AuthClient } from './types.ts'

export interface ApiRequestInit extends Omit<RequestInit, 'method' | 'body'> {
  /** Members that are undefined are left out. */
  query?: Record<string, string | number | boolean | undefined>
}

/**
 * Sends JSON, answers with what came: parsed where it is JSON, text where it is
 * text, undefined for an empty answer. Forms, blobs, buffers and streams are
 * sent as they are. A path is below the base, an absolute URL is itself.
 * Rejects with an {@link AuthError} for a status that is not 2xx.
 */
export interface ApiClient {
  get<T = unknown>(path: string, init?: ApiRequestInit): Promise<T>
  post<T = unknown>(path: string, data?: unknown, init?: ApiRequestInit): Promise<T>
  put<T = unknown>(path: string, data?: unknown, init?: ApiRequestInit): Promise<T>
  patch<T = unknown>(path: string, data?: unknown, init?: ApiRequestInit): Promise<T>
  delete<T = unknown>(path: string, init?: ApiRequestInit): Promise<T>
}

/** A client for the JSON API below `baseURL`, which sends with the session of `auth`. */
export function createApiClient(auth: Pick<AuthClient, 'fetch'>, baseURL: string | URL = ''): ApiClient {
  const root = String(baseURL).replace(/\/+$/, '')

  const request = async <T>(
    method: string,
    path: string,
    data: unknown,
    init: ApiRequestInit = {},
  ): Promise<T> => {
    const { query, ...rest } = init
    const given = Object.entries(query ?? {}).flatMap(([name, value]) =>
      value === undefined ? [] : [[name, String(value)]],
    )
    const search = new URLSearchParams(given).toString()
    const headers = new Headers(init.headers)
    if (!headers.has('Accept')) headers.set('Accept', 'application/json')
    let body: BodyInit | null = null
    if (isBody(data)) body = data
    else if (data !== undefined) {
      body = JSON.stringify(data)
      if (!headers.has('Content-Type')) headers.set('Content-Type', 'application/json')
    }
    const url = absolute.test(path) ? path : `${root}/${path.replace(/^\/+/, '')}`
    const response = await auth.fetch(search ? `${url}${url.includes('?') ? '&' : '?'}${search}` : url, {
      ...rest,
      method,
      headers,
      body,
    })
    if (!response.ok) throw await errorFrom(response)
    const text = await response.text()
    if (!text) return undefined as T
    return (/\bjson\b/.test(response.headers.get('Content-Type') ?? '') ? JSON.parse(text) : text) as T
  }

  return {
    get: (path, init) => request('GET', path, undefined, init),
    post: (path, data, init) => request('POST', path, data, init),
    put: (path, data, init) => request('PUT', path, data, init),
    patch: (path, data, init) => request('PATCH', path, data, init),
    delete: (path, init) => request('DELETE', path, undefined, init),
  }
}

const absolute = /^[a-z][a-z\d+.-]*:/i

/** Whether `fetch` takes it as it is: forms, blobs, buffers and streams name their kind, plain data does not. */
function isBody(data: unknown): data is BodyInit {
  return typeof data === 'object' && data !== null && Symbol.toStringTag in data
}
