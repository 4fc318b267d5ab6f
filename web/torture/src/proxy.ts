import { execFile } from 'node:child_process'
import { EventEmitter, once } from 'node:events'
import { mkdtemp, readFile } from 'node:fs/promises'
import {
  Agent,
  createServer,
  request,
  type IncomingMessage,
  type OutgoingHttpHeaders,
  type Server,
  type ServerResponse,
} from 'node:http'
import { createSecureServer, type Http2SecureServer } from 'node:http2'
import type { AddressInfo, Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { now, type Exchange, type Fate, type Kind } from './record.ts'
import { fingerprint, readAccessToken, readRefreshToken, type RefreshToken } from './tokens.ts'

const cookieName = '__Host-Http-doorward'

const scripts = new Map<string, Promise<string>>()

/** Says what befalls a request; undefined leaves it to the other rules. */
export type Rule = (exchange: Exchange) => Fate | undefined

interface Answer {
  status: number
  headers: OutgoingHttpHeaders
  body: Buffer
}

export interface ProxyOptions {
  /** Directory of the page's scripts. */
  pages: string
  certificate: Certificate
  /**
   * HTTP/1.1, over which Chromium itself sends again what was cut on a
   * connection that it had used before. Default: HTTP/2, over which it never
   * does, so that what comes is what the page sent; nor does it let requests
   * wait for one of six connections.
   */
  old?: boolean
}

/**
 * Stands between the browser and the server, on one origin with the page. It
 * sees every request and answer, harms them as its rules say, and keeps the
 * record that clients are judged by.
 */
export class FaultProxy extends EventEmitter<{ change: [] }> {
  readonly record: Exchange[] = []
  readonly rules: Rule[] = []
  /** Where the server is. */
  upstream = 0
  /** What befalls every request for now. */
  outage: Fate | null = null
  /** How long the resource server takes an expired token, and how far its clock is ahead; milliseconds. */
  leeway = 1000
  ahead = 0
  origin = ''
  /** Another origin, which lets every page send it everything. */
  elsewhere = ''
  /** Requests that came to the other origin with something that is not its business. */
  readonly leaks: string[] = []
  /** How many requests came to the other origin. */
  strangers = 0
  readonly #options: ProxyOptions
  readonly #servers: (Server | Http2SecureServer)[] = []
  readonly #sockets = new Set<Socket>()
  readonly #agent = new Agent({ keepAlive: true })

  private constructor(options: ProxyOptions) {
    super()
    this.setMaxListeners(0)
    this.#options = options
  }

  static async start(options: ProxyOptions): Promise<FaultProxy> {
    const proxy = new FaultProxy(options)
    const handle = (request: IncomingMessage, response: ServerResponse) => {
      proxy.#handle(request, response).catch(() => response.destroy())
    }
    // The types of node:http2 do not say that its compatible objects are compatible.
    const server = options.old
      ? createServer(handle)
      : createSecureServer(options.certificate, handle as never)
    server.on('connection', (socket: Socket) => proxy.#sockets.add(socket))
    proxy.#servers.push(server)
    proxy.origin = `${options.old ? 'http' : 'https'}://localhost:${await listen(server)}`
    const other = createServer((request, response) => void proxy.#stranger(request, response))
    proxy.#servers.push(other)
    // The host differs too: cookies know no ports.
    proxy.elsewhere = `http://127.0.0.1:${await listen(other)}`
    return proxy
  }

  async close(): Promise<void> {
    this.rules.length = 0
    this.#agent.destroy()
    for (const socket of this.#sockets) socket.destroy()
    for (const server of this.#servers) server.close()
  }

  /** Resolves with the first exchange for which `wanted` holds, past ones included. */
  async seen(wanted: (exchange: Exchange) => boolean): Promise<Exchange> {
    for (;;) {
      const found = this.record.find(wanted)
      if (found) return found
      await once(this, 'change')
    }
  }

  async #handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', this.origin)
    if (url.pathname.startsWith('/torture/') || url.pathname === '/login') return this.#page(url, response)
    const body = await read(request)
    const exchange = this.#note(request, url, body)
    const gone = once(response, 'close').then(() => {
      if (exchange.over === null) this.#end(exchange, 'gone')
    })
    Object.assign(exchange.fate, ...this.rules.map((rule) => rule(exchange)), this.outage)
    const { early, late, lost, refused, twice } = exchange.fate
    // A request that comes after two further rotations is a copy to the server,
    // and has to be. So none waits for longer than another's renewal takes.
    await Promise.race([
      until(early),
      exchange.kind === 'refresh' && early ? this.#overtaken(exchange) : until(early),
    ])
    if (refused) return this.#refuse(exchange, response, refused)
    exchange.acted = true
    // What was sent arrives, whether or not somebody still waits for the answer.
    let answer = await this.#ask(exchange, request, url, body)
    if (twice) {
      const second = await this.#ask(exchange, request, url, body)
      if (twice === 'second') answer = second
    }
    learn(exchange, answer)
    this.emit('change')
    await until(late)
    if (lost === 'silence') {
      this.#end(exchange, 'silent')
      return gone
    }
    if (lost) {
      this.#end(exchange, 'lost')
      response.destroy()
      return
    }
    if (response.destroyed) return
    if (answer.status === 502 && answer.body.length === 0) return this.#refuse(exchange, response, 502)
    response.writeHead(answer.status, answer.headers)
    response.end(answer.body)
    this.#end(exchange, 'answered')
  }

  #note(request: IncomingMessage, url: URL, body: Buffer): Exchange {
    const { headers, method = 'GET' } = request
    const key = String(headers['idempotency-key'] ?? '')
    const exchange: Exchange = {
      n: this.record.length,
      at: now(),
      over: null,
      tab: String(headers['x-tab'] ?? ''),
      call: String(headers['x-call'] ?? ''),
      kind: kindOf(url.pathname),
      method,
      path: url.pathname,
      access: readAccessToken(headers.authorization),
      presented: readRefreshToken(cookie(headers.cookie)),
      key: key && fingerprint(key),
      fate: {},
      acted: false,
      status: 0,
      code: '',
      granted: null,
      ending: 'under way',
    }
    if (url.pathname.startsWith('/auth/')) exchange.presented = tokenIn(body) ?? exchange.presented
    this.record.push(exchange)
    this.emit('change')
    return exchange
  }

  /** Resolves when another renewal is granted. */
  async #overtaken(exchange: Exchange): Promise<void> {
    const other = (each: Exchange) => each !== exchange && each.kind === 'refresh' && each.granted !== null
    const before = new Set(this.record.filter(other))
    await this.seen((each) => other(each) && !before.has(each))
  }

  #end(exchange: Exchange, ending: Exchange['ending']): void {
    exchange.over = now()
    exchange.ending = ending
    this.emit('change')
  }

  #refuse(exchange: Exchange, response: ServerResponse, refused: number | 'cut'): void {
    this.#end(exchange, 'refused')
    if (refused === 'cut') return void response.destroy()
    exchange.status = refused
    response.writeHead(refused, { 'Content-Type': 'text/plain', 'Retry-After': '1' }).end('Try again later')
  }

  async #ask(exchange: Exchange, request: IncomingMessage, url: URL, body: Buffer): Promise<Answer> {
    if (exchange.kind !== 'api') return this.#forward(request, url.pathname + url.search, body)
    const { access } = exchange
    if (access && access.expires + this.leeway <= exchange.at + this.ahead) return expired(this.origin)
    const guarded = url.pathname === '/api/protected' ? url.pathname : '/api/profile'
    const answer = await this.#forward(request, guarded, null)
    if (answer.status !== 200 || url.pathname === guarded) return answer
    return this.#application(url, body)
  }

  /** The routes of an application that the server has none of. */
  #application(url: URL, body: Buffer): Answer {
    const json = { 'Content-Type': 'application/json', 'Cache-Control': 'no-store' }
    switch (url.pathname) {
      case '/api/echo':
        return { status: 200, headers: json, body: Buffer.from(JSON.stringify({ sent: body.toString() })) }
      case '/api/away':
        return { status: 302, headers: { Location: `${this.elsewhere}/landing` }, body: Buffer.alloc(0) }
      case '/api/forbidden':
        return problem(this.origin, 403, 'INSUFFICIENT_SCOPE', 'insufficient_scope')
      default:
        return { status: 404, headers: {}, body: Buffer.alloc(0) }
    }
  }

  /** Asks the server. Where it cannot be reached, the answer is an empty 502, as of any proxy. */
  #forward(from: IncomingMessage, path: string, body: Buffer | null): Promise<Answer> {
    const headers = {
      ...endToEnd(from.headers),
      host: new URL(this.origin).host,
      'content-length': body?.length ?? 0,
    }
    const method = body ? from.method : 'GET'
    return new Promise((resolve) => {
      const lost = () => resolve({ status: 502, headers: {}, body: Buffer.alloc(0) })
      const up = request(
        { host: '127.0.0.1', port: this.upstream, method, path, headers, agent: this.#agent },
        (answer) => {
          read(answer).then((data) => {
            resolve({ status: answer.statusCode ?? 502, headers: endToEnd(answer.headers), body: data })
          }, lost)
        },
      )
      up.on('error', lost)
      up.end(body ?? undefined)
    })
  }

  async #page(url: URL, response: ServerResponse): Promise<void> {
    if (url.pathname === '/torture/ping') return void response.writeHead(204).end()
    const script = /^\/torture\/(.+\.js)$/.exec(url.pathname)?.[1]
    if (script) {
      const text = await this.#script(script)
      response.writeHead(text ? 200 : 404, { 'Content-Type': 'text/javascript' }).end(text)
      return
    }
    // The init script of the tab says whose page this is.
    response.writeHead(200, { 'Content-Type': 'text/html', 'Cache-Control': 'no-cache' })
    response.end(`<!doctype html><title>${url.pathname}</title><script>
      const s = document.createElement('script')
      s.type = 'module'
      s.src = '/torture/' + (window.tortureTab?.script ?? 'none').replace(/(:|$)/, '.js$1').replace(':', '?twist=')
      document.head.append(s)
    </script>`)
  }

  /** Reads a script once: another build may come in the middle of a run. */
  #script(name: string): Promise<string> {
    const file = join(this.#options.pages, name)
    const text = scripts.get(file) ?? readFile(file, 'utf8').catch(() => '')
    scripts.set(file, text)
    return text
  }

  async #stranger(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const text = JSON.stringify(request.headers) + request.url + (await read(request)).toString()
    const secret = /eyJ[\w-]{10,}|dwr_\w+/.test(text) || request.headers.authorization !== undefined
    this.strangers++
    if (secret)
      this.leaks.push(`${request.method} ${request.url?.split('?')[0]} of tab ${request.headers['x-tab']}`)
    response.writeHead(request.method === 'OPTIONS' ? 204 : 200, {
      'Access-Control-Allow-Origin': request.headers.origin ?? '*',
      'Access-Control-Allow-Credentials': 'true',
      'Access-Control-Allow-Headers': request.headers['access-control-request-headers'] ?? '*',
      'Access-Control-Allow-Methods': 'GET, POST, PUT, DELETE',
      Connection: 'close',
    })
    response.end()
  }
}

function kindOf(path: string): Kind {
  if (path.startsWith('/api/')) return 'api'
  const route = /^\/auth\/(login|refresh|logout)/.exec(path)?.[1]
  return (route as Kind | undefined) ?? 'other'
}

/** Notes what the server answered. */
function learn(exchange: Exchange, answer: Answer): void {
  exchange.status = answer.status
  if (exchange.kind === 'refresh' || exchange.kind === 'login') {
    const set = [answer.headers['set-cookie'] ?? []].flat().join('; ')
    exchange.granted = tokenIn(answer.body) ?? readRefreshToken(cookie(set))
  }
  if (answer.status >= 400) {
    exchange.code = /"code":"([A-Z_]+)"/.exec(answer.body.toString())?.[1] ?? ''
  }
}

/** The headers that are not about one connection alone. */
function endToEnd(headers: IncomingMessage['headers']): OutgoingHttpHeaders {
  const own = ['connection', 'keep-alive', 'transfer-encoding', 'content-length']
  return Object.fromEntries(
    Object.entries(headers).filter(([name]) => !name.startsWith(':') && !own.includes(name)),
  )
}

function tokenIn(body: Buffer): RefreshToken | null {
  return readRefreshToken(/"refreshToken":"([^"]+)"/.exec(body.toString())?.[1])
}

function cookie(header: string | undefined): string | undefined {
  for (const pair of header?.split('; ') ?? []) {
    if (pair.startsWith(`${cookieName}=`)) return pair.slice(cookieName.length + 1)
  }
  return undefined
}

const expired = (origin: string) => problem(origin, 401, 'TOKEN_EXPIRED', 'invalid_token')

/** A denial as the server's own, of a resource server that is stricter than it. */
function problem(origin: string, status: number, code: string, error: string): Answer {
  const title = status === 401 ? 'Unauthorized' : 'Forbidden'
  const body = {
    type: `${origin}/errors/${code}`,
    title,
    status,
    detail: code,
    code,
    error: title,
    message: code,
  }
  return {
    status,
    headers: {
      'Content-Type': 'application/problem+json',
      'Cache-Control': 'no-store',
      'WWW-Authenticate': `Bearer realm="torture", error="${error}"`,
    },
    body: Buffer.from(JSON.stringify(body)),
  }
}

async function until(wait: number | Promise<unknown> | undefined): Promise<void> {
  await (typeof wait === 'number' ? new Promise((resolve) => setTimeout(resolve, wait)) : wait)
}

async function read(stream: IncomingMessage): Promise<Buffer> {
  const parts: Buffer[] = []
  for await (const part of stream) parts.push(part as Buffer)
  return Buffer.concat(parts)
}

async function listen(server: Server | Http2SecureServer): Promise<number> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return (server.address() as AddressInfo).port
}

export interface Certificate {
  key: Buffer
  cert: Buffer
}

/** Makes a certificate for localhost. Go, which builds the server, has a program for that. */
export async function certify(): Promise<Certificate> {
  const run = promisify(execFile)
  const cwd = await mkdtemp(join(tmpdir(), 'doorward-torture-'))
  const root = (await run('go', ['env', 'GOROOT'])).stdout.trim()
  await run(
    'go',
    ['run', join(root, 'src/crypto/tls/generate_cert.go'), '--host', 'localhost', '--ecdsa-curve', 'P256'],
    { cwd },
  )
  const [key, cert] = await Promise.all([readFile(join(cwd, 'key.pem')), readFile(join(cwd, 'cert.pem'))])
  return { key, cert }
}
