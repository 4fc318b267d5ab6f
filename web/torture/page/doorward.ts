import { createAuthClient, type AuthClient, type AuthClientOptions, type AuthEvent } from '@doorward/client'
import type { Call, Setting, Subject } from './subject.ts'

/** How the broken variants differ. */
export interface Twist {
  options?: (options: AuthClientOptions) => AuthClientOptions
  before?: (client: AuthClient, call: Call) => Promise<unknown>
  call?: (client: AuthClient, call: Call, send: () => Promise<Response>) => Promise<Response>
}

/** @doorward/client, as its README has it used. */
export function doorward(setting: Setting, twist: Twist = {}): Subject {
  const options: AuthClientOptions = {
    transport: setting.transport,
    onSessionEnd: (end) => setting.ended(end.code),
    onEvent: (event) => {
      const text = tell(event)
      if (text) setting.step(text)
    },
  }
  // Touched only when it is used: where a browser denies storage, the mere name throws.
  if (setting.transport === 'bearer') {
    options.storage = {
      getItem: (key) => localStorage.getItem(key),
      setItem: (key, value) => localStorage.setItem(key, value),
      removeItem: (key) => localStorage.removeItem(key),
    }
  }
  const client = createAuthClient(twist.options?.(options) ?? options)
  return {
    start: async () => (await client.ready()).status === 'signed_in',
    login: async (email, password) => void (await client.login({ email, password })),
    logout: () => client.logout(),
    async call(call) {
      await twist.before?.(client, call)
      const send = () => client.fetch(...request(call))
      return twist.call?.(client, call, send) ?? send()
    },
  }
}

/** A call as the arguments of `fetch`. */
export function request({ path, method, headers, body, as }: Call): [RequestInfo, RequestInit?] {
  const init: RequestInit & { duplex?: 'half' } = { method, headers: { ...headers } }
  if (body === null) return [path, init]
  init.headers = { ...headers, 'Content-Type': 'application/json' }
  if (as === 'stream') {
    init.body = new Blob([body]).stream()
    init.duplex = 'half'
  } else {
    init.body = body
  }
  return as === 'text' ? [path, init] : [new Request(path, init)]
}

function tell(event: AuthEvent): string {
  switch (event.type) {
    case 'renewing':
      return `renews: ${event.reason}`
    case 'renewed':
      return event.elsewhere ? 'renewed in another tab' : 'renewed'
    case 'renewal_failed':
      return `renewal failed: ${event.error.code} ${event.error.status}`
    case 'denied':
      return `denied: ${event.error.code}, next: ${event.next}`
    case 'ended':
      return `ended: ${event.end.code}${event.elsewhere ? ' in another tab' : ''}`
    case 'signed_in':
      return event.elsewhere ? 'signed in in another tab' : 'signed in'
    default:
      return ''
  }
}
