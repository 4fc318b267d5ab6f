import { doorward, request, type Twist } from '../doorward.ts'
import { run } from '../page.ts'

// Our client with one thing done wrong, to see that the judge notices. The
// name of the tab's script says which.

/** Changes the requests that renew. */
const onRefresh = (change: (input: RequestInfo | URL, init: RequestInit) => Promise<Response>): Twist => ({
  options: (options) => ({
    ...options,
    fetch: (input, init) =>
      String(input).endsWith('/auth/refresh') && init ? change(input, init) : fetch(input, init),
  }),
})

const twists: Record<string, Twist> = {
  /** Forgets that a renewal whose answer is lost must be asked for again under the same key. */
  keyless: onRefresh((input, init) => {
    const headers = new Headers(init.headers)
    headers.set('Idempotency-Key', Math.random().toString(36))
    return fetch(input, { ...init, headers })
  }),
  /** Takes a network that fails for a session that is over. */
  hasty: onRefresh((input, init) =>
    fetch(input, init).catch(() =>
      Response.json({ code: 'INVALID_REFRESH_TOKEN', status: 403 }, { status: 403 }),
    ),
  ),
  /** Renews before each call. */
  eager: { before: (client) => client.renew().catch(() => {}) },
  /** Shows its caller what a renewal would mend. */
  blunt: {
    async call(client, call) {
      const [input, init] = request(call)
      return fetch(input, {
        ...init,
        headers: { ...call.headers, Authorization: `Bearer ${await client.getToken()}` },
      })
    },
  },
  /** Sends again for as long as it is refused. */
  stubborn: {
    async call(_, __, send) {
      let answer = await send()
      for (let n = 0; n < 2 && answer.status >= 400; n++) answer = await send()
      return answer
    },
  },
  /** Sends the token to whoever is asked. */
  leaky: {
    async call(client, call, send) {
      if (new URL(call.path, location.href).origin === location.origin) return send()
      return fetch(call.path, { headers: { Authorization: `Bearer ${await client.getToken()}` } })
    },
  },
  /** Tells the application of the same end twice. */
  loud: {
    options: (options) => ({
      ...options,
      onSessionEnd: (end) => {
        options.onSessionEnd?.(end)
        options.onSessionEnd?.(end)
      },
    }),
  },
  /** Never says that it failed. */
  mute: { call: (_, __, send) => send().catch(() => new Promise<never>(() => {})) },
}

const name = new URL(import.meta.url).searchParams.get('twist') ?? ''
run((setting) => doorward(setting, twists[name]))
