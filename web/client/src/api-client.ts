import { errorFrom } from './errors.ts'
import type { ApiClient, ApiRequestInit } from './types.ts'

/** A client for the JSON API below `baseURL`, on top of `send`. */
export function createApiClient(send: typeof fetch, baseURL: string | URL): ApiClient {
  const root = String(baseURL).replace(/\/+$/, '')

  const request = async <T>(method: string, path: string, data: unknown, init: ApiRequestInit = {}): Promise<T> => {
    const { query, ...rest } = init
    const given = Object.entries(query ?? {}).flatMap(([name, value]) => (value === undefined ? [] : [[name, String(value)]]))
    const search = new URLSearchParams(given).toString()
    const headers = new Headers(init.headers)
    if (!headers.has('Accept')) headers.set('Accept', 'application/json')
    let body: BodyInit | null = null
    if (isBody(data)) body = data
    else if (data !== undefined) {
      body = JSON.stringify(data)
      if (!headers.has('Content-Type')) headers.set('Content-Type', 'application/json')
    }
    const url = `${root}/${path.replace(/^\/+/, '')}`
    const response = await send(search ? `${url}${url.includes('?') ? '&' : '?'}${search}` : url, { ...rest, method, headers, body })
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

/** Whether `fetch` takes it as it is, with a content type of its own. */
function isBody(data: unknown): data is BodyInit {
  return (
    data instanceof FormData || data instanceof URLSearchParams || data instanceof Blob ||
    data instanceof ArrayBuffer || ArrayBuffer.isView(data) || data instanceof ReadableStream
  )
}
