import type { Outcome, Report } from '../src/record.ts'
import type { Call, Setting, Subject } from './subject.ts'

/** What the init script of a tab says of it. */
export interface Tab {
  name: string
  script: string
  transport: 'cookie' | 'bearer'
  email: string
  password: string
  /** The pause between two calls in milliseconds, least and most; null makes none. */
  pace: [number, number] | null
}

/** What the harness can have a page do. */
export interface Page {
  login(): Promise<void>
  logout(): Promise<void>
  call(call: Partial<Call>): Promise<Outcome>
  /** Starts making calls, of all kinds, at a pace; null stops. */
  pace(pace: [number, number] | null): void
  /** Whether somebody is signed in, once that is known. */
  ready: Promise<boolean>
  /** The calls that have not ended yet. */
  pending(): string[]
}

declare global {
  interface Window {
    tortureTab: Tab
    torturePage: Page
    tortureReport(report: Report): void
  }
}

/** No page may set these back or forth; `Date` it may. */
const now = () => performance.timeOrigin + performance.now()

/**
 * Rejects a while after the page is thawed: bodies that arrive while it is
 * being frozen never end in Chromium, whoever asked for them.
 */
const lostToFreezing = () =>
  new Promise<never>((_, reject) => {
    const late = () => setTimeout(() => reject(new Error('frozen while the answer arrived')), 3000)
    document.addEventListener('resume', late, { once: true })
  })

const paths = ['/api/profile', '/api/protected', '/api/profile', '/api/echo'] as const

export function run(make: (setting: Setting) => Subject): void {
  const tab = window.tortureTab
  const note = (what: 'ended' | 'signed_in' | 'signed_out' | 'sign_in_page' | 'step', detail = '') =>
    window.tortureReport({ note: { tab: tab.name, at: now(), what, detail } })
  const subject = make({
    transport: tab.transport,
    signInPage: location.pathname === '/login',
    ended: (code) => note('ended', code),
    step: (text) => note('step', text),
  })
  const pending = new Map<string, string>()
  const page = Math.random().toString(36).slice(2, 6)
  let count = 0
  let timer: ReturnType<typeof setTimeout> | undefined

  async function call(wish: Partial<Call>): Promise<Outcome> {
    const id = `${tab.name}.${page}.${++count}`
    const { path = '/api/profile', body = null } = wish
    const method = wish.method ?? (body === null ? 'GET' : 'POST')
    const headers = { ...wish.headers, 'X-Call': id }
    const outcome: Outcome = {
      tab: tab.name,
      call: id,
      method,
      path,
      from: now(),
      to: 0,
      status: 0,
      error: null,
      intact: true,
    }
    pending.set(id, `${method} ${path}`)
    try {
      // An address of its own: Chromium sends requests for the same one after the other, to fill its cache.
      const answer = await subject.call({
        path: `${path}?${id}`,
        method,
        body,
        as: wish.as ?? 'text',
        headers,
      })
      const text = await Promise.race([answer.text(), lostToFreezing()])
      outcome.status = answer.status
      if (body !== null && answer.status === 200)
        outcome.intact = (JSON.parse(text) as { sent: string }).sent === body
    } catch (thrown) {
      const error = thrown as Error & { code?: unknown; status?: unknown }
      outcome.error = {
        name: String(error.name),
        code: String(error.code ?? ''),
        status: Number(error.status ?? 0),
        message: String(error.message),
      }
    }
    outcome.to = now()
    pending.delete(id)
    window.tortureReport({ outcome })
    return outcome
  }

  function pace(range: [number, number] | null): void {
    clearTimeout(timer)
    if (!range) return
    const [least, most] = range
    timer = setTimeout(
      () => {
        pace(range)
        // No application asks for ever more where nothing comes back.
        if (pending.size >= 6) return
        const path = paths[Math.floor(Math.random() * paths.length)] ?? paths[0]
        void call(
          path === '/api/echo'
            ? { path, body: JSON.stringify({ n: count }), as: count % 2 ? 'text' : 'request' }
            : { path },
        )
      },
      least + Math.random() * (most - least),
    )
  }

  /** Notes when the machine has no time for this page: what happens then is nobody's fault. */
  async function watch(): Promise<void> {
    for (;;) {
      const from = now()
      await new Promise((again) => setTimeout(again, 500))
      await fetch('/torture/ping').catch(() => {})
      if (now() - from > 1500) window.tortureReport({ stall: { tab: tab.name, from, to: now() } })
    }
  }

  const login = async () => {
    await subject.login(tab.email, tab.password)
    window.torturePage.ready = Promise.resolve(true)
    note('signed_in')
  }
  const ready = subject.start()
  window.torturePage = {
    login,
    logout: () => subject.logout(),
    call,
    pace,
    ready,
    pending: () => [...pending].map(([id, what]) => `${what} (${id})`),
  }
  if (location.pathname === '/login') {
    note('sign_in_page')
  } else {
    void ready.then((signedIn) => note(signedIn ? 'signed_in' : 'signed_out', 'found'))
    pace(tab.pace)
  }
  void watch()
}
