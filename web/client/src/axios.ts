import {
  Axios,
  type AxiosAdapter,
  AxiosError,
  AxiosHeaders,
  type AxiosInstance,
  type AxiosResponse,
  getAdapter,
  type InternalAxiosRequestConfig,
} from 'axios'
import { type AuthError, errorFrom } from './errors.ts'
import type { AuthClient } from './types.ts'

/**
 * Sends the requests of an axios instance with the session, as `auth.fetch`
 * does: the token for the URLs that `auth.covers`, renewed before it expires; a
 * 401 that a renewal can mend is sent once more. Returns how to undo it.
 *
 * It works where axios hands a request to its adapter (xhr, fetch, http or one
 * of the program's): what is sent twice was transformed once, interceptors see
 * one request and one answer, and progress, timeouts and `responseType` are the
 * adapter's as ever; a timeout bounds each send, and not the wait for a
 * renewal. A request with an `Authorization` or an `auth` of its own is left
 * alone. A body that is a stream can be read once, so that its 401 is the
 * caller's.
 *
 * A request rejects with an AxiosError as ever; its `cause` is an
 * {@link AuthError} with the code, the denial and what to do about it. Where
 * the token is over and cannot be renewed for now, that is ERR_NETWORK, and the
 * cause UNAVAILABLE. The configuration in errors and answers holds no token.
 */
export function attachAuth(instance: AxiosInstance, auth: AuthClient): () => void {
  const attach =
    (inner: InternalAxiosRequestConfig['adapter']): AxiosAdapter =>
    async (config) => {
      const send = getAdapter(inner, config)
      if (!concerns(auth, config)) return send(config)
      const waiting = (work: Promise<string | null>) =>
        unlessCancelled(config, work).catch((caught) => {
          throw AxiosError.from(caught, AxiosError.ERR_NETWORK, config)
        })

      const token = await waiting(tokenOf(auth))
      const { user } = auth.getSnapshot()
      const first = await attempt(send, config, token)
      if (!token || first.response?.status !== 401 || isStream(config.data)) return result(first)
      const mended = auth.mend(first.error!, token).then((again) => (again ? tokenOf(auth) : null))
      const next = await waiting(mended)
      // Nobody's request is sent again as somebody else's.
      if (!next || auth.getSnapshot().user?.id !== user?.id) return result(first)
      discard(first.response.data)
      return result(await attempt(send, config, next))
    }

  const { request } = instance.interceptors
  const use = (config: InternalAxiosRequestConfig) =>
    Object.assign(config, { adapter: attach(config.adapter) })
  const id = request.use(use, null, { synchronous: true })
  return () => request.eject(id)
}

/** Whether the request gets the token. */
function concerns(auth: AuthClient, config: InternalAxiosRequestConfig): boolean {
  if (config.headers.has('Authorization') || config.auth) return false
  try {
    return auth.covers(new Axios().getUri(config))
  } catch {
    return false // no URL: axios says so itself
  }
}

/** The token, or null for nobody. */
async function tokenOf(auth: AuthClient): Promise<string | null> {
  try {
    return await auth.getToken()
  } catch (error) {
    if (auth.getSnapshot().status === 'signed_out') return null
    throw error
  }
}

/** How a request came out: as an answer, or as a rejection, perhaps for an answer. */
interface Outcome {
  response?: AxiosResponse | undefined
  rejection?: unknown
  /** What the answer says, where it is no success. */
  error?: AuthError
}

/** Sends a copy of the request, so that nothing that others see or send again holds the token. */
async function attempt(
  send: AxiosAdapter,
  config: InternalAxiosRequestConfig,
  token: string | null,
): Promise<Outcome> {
  const copy = { ...config, headers: new AxiosHeaders(config.headers) }
  if (token) {
    copy.headers.set('Authorization', `Bearer ${token}`)
    copy.beforeRedirect = dropElsewhere(config)
  }
  let outcome: Outcome
  try {
    outcome = { response: await send(copy) }
  } catch (rejection) {
    outcome = { rejection, response: (rejection as AxiosError).response }
    if (rejection instanceof Object && 'config' in rejection) rejection.config = config
  }
  const { response } = outcome
  if (response) response.config = config
  if (response && response.status >= 400) outcome.error = await errorFrom(standard(response))
  return outcome
}

/**
 * Drops the token where a redirect leads to another origin, as fetch does:
 * follow-redirects, which the http adapter uses, lets it go on to subdomains.
 */
function dropElsewhere({
  beforeRedirect,
  ...config
}: InternalAxiosRequestConfig): NonNullable<InternalAxiosRequestConfig['beforeRedirect']> {
  return (options, ...rest) => {
    const { href, headers } = options
    const sent = new URL(new Axios().getUri(config), globalThis.location?.href)
    if (new URL(href).origin !== sent.origin) {
      for (const name in headers) if (name.toLowerCase() === 'authorization') delete headers[name]
    }
    beforeRedirect?.(options, ...rest)
  }
}

function result({ response, rejection, error }: Outcome): AxiosResponse {
  if (!rejection) return response!
  if (error) (rejection as AxiosError).cause = error
  throw rejection
}

/** An answer of axios as one of fetch, as far as it says what happened. */
function standard({ status, headers, data }: AxiosResponse): Response {
  const fields = new Headers()
  for (const name of ['Content-Type', 'WWW-Authenticate', 'Retry-After', 'Date', 'Doorward-Denial']) {
    const value = AxiosHeaders.from(headers as AxiosHeaders).get(name)
    if (value) fields.set(name, String(value))
  }
  const known =
    typeof data === 'string' ||
    data instanceof ArrayBuffer ||
    ArrayBuffer.isView(data) ||
    data instanceof Blob
  return new Response(known ? (data as BodyInit) : null, { status, headers: fields })
}

function isStream(data: unknown): boolean {
  return data instanceof Object && ('pipe' in data || 'getReader' in data || Symbol.asyncIterator in data)
}

/** Lets go of an answer that nobody will read. */
function discard(data: { destroy?(): void; cancel?(): Promise<void> } | undefined): void {
  if (!isStream(data)) return
  data?.destroy?.()
  data?.cancel?.().catch(() => {})
}

/** Waits for `work` unless the caller gives up; axios then says that it was cancelled. */
function unlessCancelled<T>(
  { signal, cancelToken }: InternalAxiosRequestConfig,
  work: Promise<T>,
): Promise<T> {
  if (!signal && !cancelToken) return work
  return new Promise<T>((resolve, reject) => {
    const leave = () => reject(new Error('cancelled'))
    signal?.addEventListener?.('abort', leave)
    cancelToken?.subscribe(leave)
    work.then(resolve, reject).finally(() => {
      signal?.removeEventListener?.('abort', leave)
      cancelToken?.unsubscribe(leave)
    })
  })
}
