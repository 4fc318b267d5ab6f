import { AuthError, errorFrom } from './errors.ts'
import { backoff, beforeExpiry, Ending, longestPause, type StreamEnd, type StreamState } from './lasting.ts'
import type { AuthClient } from './types.ts'

/** One event of a stream. */
export interface ServerEvent {
  /** `message` where the server does not name it. */
  type: string
  data: string
  /** The id of the last event that had one. */
  lastEventId: string
}

export interface EventStreamOptions {
  headers?: HeadersInit
  /** Ends the stream. */
  signal?: AbortSignal
  /** Begins behind this event. */
  lastEventId?: string
  /** Seconds before another try, unless the server says so; doubled for each failure, 60 at most. Default: 3. */
  retry?: number
  /** Told where the connection is. */
  onState?: (state: StreamState) => void
}

/** Events as they come, through as many connections as it takes. Read it once. */
export interface EventStream extends AsyncIterable<ServerEvent> {
  /** Resolves with why it ended; never rejects. */
  readonly ended: Promise<StreamEnd>
  /** Ends it, as leaving the loop does. */
  close(): void
}

/**
 * Server-Sent Events with the session: `EventSource` cannot send a token.
 *
 *     for await (const event of openEventStream(auth, '/events')) show(event.data)
 *
 * It connects when it is read, and again when the connection is lost, with
 * `Last-Event-ID`. Before the access token ends it connects anew with the next.
 * The loop ends when the session does, and after 204. It throws an
 * {@link AuthError} where the server refuses for good: any answer but an event
 * stream, 408, 429 and 5xx. Throws a TypeError for what is no URL.
 */
export function openEventStream(
  auth: AuthClient,
  url: string | URL,
  options: EventStreamOptions = {},
): EventStream {
  auth.covers(url) // refuses what is no URL
  const ending = new Ending(options.signal)
  const events = read(auth, url, options, ending)
  return {
    ended: ending.told,
    close: () => ending.set('closed'),
    [Symbol.asyncIterator]: () => events,
  }
}

async function* read(
  auth: AuthClient,
  url: string | URL,
  { headers, lastEventId, retry = 3, onState }: EventStreamOptions,
  ending: Ending,
): AsyncGenerator<ServerEvent, void, undefined> {
  const fields = new Headers(headers)
  fields.set('Accept', 'text/event-stream')
  const parser = new EventParser(lastEventId)
  let failures = 0

  /** The answer, or null for another try. */
  const connect = async (signal: AbortSignal): Promise<Response | null> => {
    const response = await auth.fetch(url, { headers: fields, cache: 'no-store', signal })
    ending.follow(auth)
    const refusal = await refusalOf(response)
    if (response.status === 204) ending.set('no_content')
    else if (refusal && isPassing(refusal)) throw refusal
    else if (refusal) ending.set('denied', refusal)
    return ending.end ? null : response
  }

  try {
    while (!ending.end) {
      const connection = new AbortController()
      const cut = () => connection.abort()
      const stops = [cut, ending.onEnd(cut)]
      let renewing = false
      let wait = 0
      let opened = Infinity
      ending.follow(auth)
      onState?.('connecting')
      if (parser.lastEventId) fields.set('Last-Event-ID', encoded(parser.lastEventId))
      else fields.delete('Last-Event-ID')
      // Only what the network does is tried again: what `onState` throws is the program's.
      try {
        const response = await connect(connection.signal).catch((error) => {
          if (error instanceof AuthError) wait = (error.retryAfter ?? 0) * 1000
          return null
        })
        if (response) {
          const renew = () => {
            renewing = true
            cut()
          }
          stops.push(beforeExpiry(auth, renew))
          opened = performance.now()
          onState?.('open')
          for await (const text of textOf(response)) {
            for (const event of parser.parse(text)) {
              if (ending.end) break
              failures = 0
              yield event
            }
          }
        }
      } finally {
        for (const stop of stops) stop()
      }
      if (performance.now() - opened > longestPause) failures = 0
      parser.restart()
      if (renewing || ending.end) continue
      onState?.('waiting')
      await ending.pause(Math.max(wait, backoff(parser.retry ?? retry * 1000, failures++)))
    }
  } finally {
    ending.set('closed')
  }
  if (ending.end?.reason === 'denied') throw ending.end.error
}

/** Why the answer is no stream; null where it is one. */
async function refusalOf(response: Response): Promise<AuthError | null> {
  if (response.status !== 200) return errorFrom(response)
  if (/^text\/event-stream *(?:;|$)/i.test(response.headers.get('Content-Type') ?? '')) return null
  response.body?.cancel().catch(() => {})
  return new AuthError('UNKNOWN', { status: 200, problem: { detail: 'The answer is not an event stream' } })
}

function isPassing({ status }: AuthError): boolean {
  return status >= 500 || status === 429 || status === 408
}

/** The text of the answer, until it ends or is lost: another connection goes on either way. */
async function* textOf({ body }: Response): AsyncGenerator<string, void, undefined> {
  if (!body) return
  const reader = body.getReader()
  const decoder = new TextDecoder() // it drops the BOM
  const read = () => reader.read().catch(() => null)
  try {
    for (let chunk = await read(); chunk && !chunk.done; chunk = await read()) {
      yield decoder.decode(chunk.value, { stream: true })
    }
  } finally {
    reader.cancel().catch(() => {})
  }
}

/** A field takes bytes: the id in UTF-8, as browsers send it. */
function encoded(id: string): string {
  return Array.from(new TextEncoder().encode(id), (byte) => String.fromCharCode(byte)).join('')
}

/** Reads `text/event-stream` (HTML, "Interpreting an event stream"), in pieces of any size. */
export class EventParser {
  lastEventId: string
  /** Milliseconds before another try, as the server says. */
  retry: number | undefined
  #type = ''
  #data = ''
  #id: string
  #rest = ''
  #afterCR = false

  constructor(lastEventId = '') {
    this.lastEventId = this.#id = lastEventId
  }

  *parse(text: string): Generator<ServerEvent, void, undefined> {
    if (!text) return
    const lines = (this.#afterCR && text.startsWith('\n') ? text.slice(1) : text).split(/\r\n|\r|\n/)
    this.#afterCR = text.endsWith('\r')
    lines[0] = this.#rest + lines[0]
    this.#rest = lines.pop()!
    for (const line of lines) {
      if (line) this.#field(line)
      else yield* this.#dispatch()
    }
  }

  /** Begins a new connection: what has no end was not said. */
  restart(): void {
    this.#type = this.#data = this.#rest = ''
    this.#id = this.lastEventId
    this.#afterCR = false
  }

  #field(line: string): void {
    const colon = line.indexOf(':')
    if (colon === 0) return // a comment
    const name = colon < 0 ? line : line.slice(0, colon)
    const value = colon < 0 ? '' : line.slice(line[colon + 1] === ' ' ? colon + 2 : colon + 1)
    if (name === 'event') this.#type = value
    else if (name === 'data') this.#data += `${value}\n`
    else if (name === 'id' && !value.includes('\0')) this.#id = value
    else if (name === 'retry' && /^[0-9]+$/.test(value)) this.retry = Number(value)
  }

  *#dispatch(): Generator<ServerEvent, void, undefined> {
    this.lastEventId = this.#id
    const event = { type: this.#type || 'message', data: this.#data.slice(0, -1), lastEventId: this.#id }
    const empty = !this.#data
    this.#type = this.#data = ''
    if (!empty) yield event
  }
}
