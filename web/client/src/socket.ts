import { codes, type Code } from './codes.ts'
import { AuthError, isAuthError } from './errors.ts'
import { backoff, beforeExpiry, Ending, longestPause, type StreamEnd, type StreamState } from './lasting.ts'
import type { AuthClient } from './types.ts'

/** What a socket takes. */
export type SocketData = string | Blob | BufferSource

export interface SocketOptions {
  /**
   * How the token travels, which is never in the URL. `protocol` (the default):
   * as the second of the subprotocols `doorward.bearer, <token>`, of which the
   * server must answer one, and not the token. Or a function that makes the
   * first message of it.
   */
  authenticate?: 'protocol' | ((token: string) => SocketData)
  /** Subprotocols of the program's own. */
  protocols?: readonly string[]
  /** Told of each message: text, or an ArrayBuffer. */
  onMessage?: (data: string | ArrayBuffer) => void
  /** Told where the connection is. */
  onState?: (state: StreamState) => void
  /** Ends it. */
  signal?: AbortSignal
  /** How many messages wait while there is no connection. Default: 100. */
  queue?: number
  /** Default: the global `WebSocket`. */
  WebSocket?: typeof WebSocket
}

/** A socket, through as many connections as it takes. */
export interface AuthSocket {
  /**
   * Sends now, or with the next connection; once at most. Throws where the
   * queue is full, and after the end.
   */
  send(data: SocketData): void
  /** How many messages wait for a connection. */
  readonly queued: number
  /** Resolves with why it ended; never rejects. */
  readonly ended: Promise<StreamEnd>
  close(): void
}

/** Close codes by which a server refuses: its own for 401, and "policy violation" (RFC 6455 §7.4.1). */
const refusals = [4401, 1008]

/** The first pause before another try, in milliseconds. */
const firstPause = 1000

/** A refusal so soon after one that was mended is the end, in milliseconds. */
const mendedFor = 60_000

/**
 * A WebSocket with the session. It connects again when the connection is lost,
 * and anew with the next token before the one of now ends: what the server
 * sends in between is for the server to send again. After 4401 or 1008 it tries
 * once more if a renewal can mend that, once a minute at most; the reason of the
 * close may be a code. After 1000 it is done.
 *
 * A server should accept the handshake before it refuses: a browser does not
 * tell a 401 from a lost network, so that it is tried again, slower each time,
 * until the session is over. Throws a TypeError for an origin that
 * `auth.covers` does not.
 */
export function openSocket(auth: AuthClient, url: string | URL, options: SocketOptions = {}): AuthSocket {
  const target = socketURL(auth, url)
  const ending = new Ending(options.signal)
  const limit = options.queue ?? 100
  const queue: SocketData[] = []
  let live: WebSocket | undefined
  /** Whether a connection was good for anything since the last failure. */
  let worked = false

  /** Resolves with how the connection was closed; null to make it anew. */
  const connect = (token: string) =>
    new Promise<CloseEvent | null>((closed) => {
      const { authenticate = 'protocol', protocols = [] } = options
      const byProtocol = authenticate === 'protocol'
      const Socket = options.WebSocket ?? WebSocket
      const socket = new Socket(target, [...(byProtocol ? ['doorward.bearer', token] : []), ...protocols])
      socket.binaryType = 'arraybuffer'
      let opened = Infinity
      const leave = (event: CloseEvent | null) => {
        live = undefined
        if (performance.now() - opened > longestPause) worked = true
        for (const stop of stops) stop()
        socket.onopen = socket.onmessage = socket.onclose = null
        closed(event)
      }
      const end = () => {
        leave(null)
        socket.close(1000)
      }
      const stops = [ending.onEnd(end)]
      socket.onerror = () => {} // a close follows
      socket.onclose = leave
      socket.onmessage = ({ data }) => {
        worked = true
        options.onMessage?.(data)
      }
      socket.onopen = () => {
        live = socket
        opened = performance.now()
        stops.push(beforeExpiry(auth, end))
        if (!byProtocol) socket.send(authenticate(token))
        for (const data of queue.splice(0)) socket.send(data)
        options.onState?.('open')
      }
    })

  const run = async () => {
    let failures = 0
    let mended = -Infinity
    while (!ending.end) {
      let wait = 0
      ending.follow(auth)
      options.onState?.('connecting')
      try {
        const token = await auth.getToken()
        ending.follow(auth)
        if (ending.end) return
        const close = await connect(token)
        if (!close || ending.end) continue
        if (close.code === 1000) return ending.set('closed')
        if (refusals.includes(close.code)) {
          const error = denialOf(close)
          const soon = performance.now() - mended < mendedFor
          if (soon || !(await auth.mend(error, token))) return ending.set('denied', error)
          mended = performance.now()
          continue
        }
      } catch (error) {
        if (!isAuthError(error)) throw error
        // Who is signed in may not be known yet: an outage is no denial.
        if (auth.getSnapshot().status === 'signed_out') return ending.set('denied', error)
        wait = (error.retryAfter ?? 0) * 1000
      }
      if (worked) failures = 0
      worked = false
      options.onState?.('waiting')
      await ending.pause(Math.max(wait, backoff(firstPause, failures++)))
      // It may be the session that is refused: the refresh knows.
      if (failures === 2 && !ending.end) await auth.renew().catch(() => {})
    }
  }
  run().catch((cause) =>
    ending.set('denied', new AuthError('UNKNOWN', { problem: { detail: 'No socket can be made' }, cause })),
  )

  return {
    send(data) {
      if (ending.end) throw new Error('The socket has ended')
      if (live?.readyState === 1) return live.send(data)
      if (queue.length >= limit)
        throw new RangeError(`The queue is full: ${limit} messages wait for a connection`)
      queue.push(data)
    },
    get queued() {
      return queue.length
    },
    ended: ending.told,
    close: () => ending.set('closed'),
  }
}

function socketURL(auth: AuthClient, url: string | URL): URL {
  const target = new URL(url, globalThis.document?.baseURI)
  target.hash = ''
  target.protocol = target.protocol.replace(/^ws/, 'http')
  if (!auth.covers(target)) throw new TypeError(`openSocket: the token is not for ${target.origin}`)
  target.protocol = target.protocol.replace(/^http/, 'ws')
  return target
}

function denialOf({ code, reason }: CloseEvent): AuthError {
  const known = Object.hasOwn(codes, reason) ? (reason as Code) : 'TOKEN_INVALID'
  return new AuthError(known, { status: 401, problem: { detail: reason || `Closed with ${code}` } })
}
