import type { Browser, BrowserContext, CDPSession, Page } from 'playwright-core'
import type { Call } from '../page/subject.ts'
import type { Tab as TabSetting } from '../page/page.ts'
import { launchPlain } from './chromium.ts'
import { Dice } from './dice.ts'
import { ada } from './ada.ts'
import { Doorward } from './doorward.ts'
import { FaultProxy, type Certificate } from './proxy.ts'
import { lanes } from './lanes.ts'
import { now, type Note, type Outcome, type Report } from './record.ts'

export type Transport = 'cookie' | 'bearer'

export interface Subject {
  /** Name of the page's script. */
  script: string
  transport: Transport
  /** Life of an access token: that with which this client wants a new one every few seconds. */
  life: string
  /** Whether signing out in one tab is to sign out all. */
  shares: boolean
}

export interface WorldOptions {
  seed: string
  binary: string
  subject: Subject
  browser: Browser
  /** Needs a browser of its own, whose tabs can be hidden and frozen. */
  plain?: boolean
  /** HTTP/1.1 with connections that are kept. */
  old?: boolean
  certificate: Certificate
  life?: string
  /** Runs in each page before anything else. */
  init?: string
}

/** How long anything may take before it counts as hanging, in milliseconds: far more than it needs. */
export const deadline = 90_000

/** One browser of one person, and everything between them and the server. */
export class World {
  readonly dice: Dice
  readonly tabs: Tab[] = []
  readonly outcomes: Outcome[] = []
  readonly notes: Note[] = []
  /** When the network, the server or a tab was in a state in which calls may fail. */
  readonly trouble: { from: number; to: number; tab: string; why: string }[] = []
  /** When sessions were ended by somebody's wish, until all was well again. */
  readonly asked: { from: number; to: number }[] = []
  /** How often each tab is to be told of an ending, by code. */
  readonly endings: { tab: string; code: string }[] = []
  /** When a tab was frozen, loaded anew or closed, so that what arrived in it then may have helped nobody. */
  readonly upsets: { tab: string; from: number; to: number }[] = []
  /** There is no place to save a key, or no lock, so that tabs renew with keys of their own. */
  keyless = false
  /** What went wrong that no check would see. */
  readonly failures: string[] = []
  readonly began = now()
  /** The session is over at the end, and that is right. */
  over = false
  #names = 0

  readonly options: WorldOptions
  readonly server: Doorward
  readonly proxy: FaultProxy
  readonly context: BrowserContext
  readonly close: () => Promise<void>

  private constructor(
    options: WorldOptions,
    server: Doorward,
    proxy: FaultProxy,
    context: BrowserContext,
    close: () => Promise<void>,
  ) {
    this.options = options
    this.server = server
    this.proxy = proxy
    this.context = context
    this.close = close
    this.dice = new Dice(options.seed)
  }

  static async open(options: WorldOptions): Promise<World> {
    const pages = new URL('./page', import.meta.url).pathname
    const proxy = await FaultProxy.start({
      pages,
      certificate: options.certificate,
      old: options.old ?? false,
    })
    const server = await Doorward.start(options.binary, proxy.origin, options.life ?? options.subject.life)
    proxy.upstream = server.port
    const plain = options.plain ? await launchPlain() : null
    const context = plain?.context ?? (await options.browser.newContext())
    const close = async () => {
      await (plain?.close() ?? context.close()).catch(() => {})
      await proxy.close()
      await server.end('SIGKILL')
    }
    const world = new World(options, server, proxy, context, close)
    await context.exposeBinding('tortureReport', (_, report: Report) => world.#take(report))
    return world
  }

  #take(report: Report): void {
    if ('outcome' in report) this.outcomes.push(report.outcome)
    else if ('stall' in report) this.trouble.push({ ...report.stall, why: 'the machine is busy' })
    else this.notes.push(report.note)
    if ('note' in report && report.note.what === 'sign_in_page') {
      const tab = this.tabs.find((each) => each.name === report.note.tab)
      // A person who lands there signs in again, and goes on.
      if (tab) void tab.signInAgain().catch(() => {})
    }
  }

  /** Opens a tab. `pace` is the pause between calls in milliseconds; null makes none. */
  async open(pace: [number, number] | null = [200, 500], init = this.options.init): Promise<Tab> {
    const name = `t${++this.#names}`
    const { script, transport } = this.options.subject
    const page = await this.context.newPage()
    const tab = new Tab(this, name, page)
    this.tabs.push(tab)
    const setting: TabSetting = { name, script, transport, ...ada, pace }
    await page.addInitScript(`window.tortureTab = ${JSON.stringify(setting)};${init ?? ''}`)
    await page.setExtraHTTPHeaders({ 'X-Tab': name })
    await tab.go()
    return tab
  }

  /** Opens tabs, signs in in the first, and has all make calls. */
  async signIn(count: number, pace?: [number, number] | null): Promise<Tab[]> {
    const first = await this.open(null)
    await first.login()
    if (pace !== null) await first.pace(pace ?? [200, 500])
    const rest = Array.from({ length: count - 1 }, () => () => this.open(pace))
    const tabs = [first, ...(await lanes(4, rest))]
    await Promise.all(tabs.map((tab) => this.until(`${tab.name} signed in`, () => tab.ready())))
    return tabs
  }

  /** Waits until something is so. What never comes to be is a fault. */
  async until(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
    const end = now() + deadline
    while (!(await holds())) {
      if (now() > end) throw new Error(`never came to be: ${what}`)
      await this.pass(50)
    }
  }

  /** Waits for renewals whose answers reached a page. */
  async renewals(count: number): Promise<void> {
    const from = now()
    const seen = () =>
      this.proxy.record.filter(
        (each) =>
          each.kind === 'refresh' &&
          each.ending === 'answered' &&
          each.status === 200 &&
          (each.over ?? 0) > from,
      ).length
    await this.until(`${count} more renewals`, () => seen() >= count)
  }

  /** Lets time pass: for a fault to last, never for something to come to be. */
  async pass(ms: number): Promise<void> {
    await new Promise((resolve) => setTimeout(resolve, ms))
  }

  /** Does something during which, and for a while after which, calls may fail. */
  async during<T>(work: () => Promise<T>): Promise<T> {
    const trouble = { from: now(), to: Infinity, tab: '', why: 'made' }
    this.trouble.push(trouble)
    try {
      return await work()
    } finally {
      trouble.to = now()
    }
  }

  /** Does something that ends the session, and says who is to be told, and of what. */
  async ending<T>(code: string, tabs: readonly Tab[], work: () => Promise<T>): Promise<T> {
    const asked = { from: now(), to: Infinity }
    this.asked.push(asked)
    for (const tab of tabs) this.endings.push({ tab: tab.name, code })
    try {
      return await work()
    } finally {
      if (!this.over) asked.to = now()
    }
  }

  /** Whether the machine had no time for some tab around a moment: then nothing is told from what is late. */
  stalled(at: number): boolean {
    return this.trouble.some((each) => each.tab && each.from - 1000 <= at && at <= each.to + 1000)
  }

  /** Whether what arrived in a tab at a time may have been lost on it. */
  disturbed(tab: string, at: number): boolean {
    return this.upsets.some((upset) => upset.tab === tab && upset.from <= at + 1000 && upset.to >= at)
  }

  told(tab: Tab): Note[] {
    return this.notes.filter((note) => note.tab === tab.name && note.what === 'ended')
  }

  /** Lifts everything that harms, waits until all calls have ended, and tries whether all tabs still work. */
  async settle(): Promise<void> {
    this.proxy.rules.length = 0
    this.proxy.outage = null
    this.server.go()
    const tabs = this.tabs.filter((tab) => !tab.closed)
    await Promise.all(tabs.map((tab) => tab.pace(null)))
    await Promise.all(tabs.map((tab) => this.#settleTab(tab)))
  }

  async #settleTab(tab: Tab): Promise<void> {
    let left: string[] = []
    const ended = async () => (left = await tab.pending()).length === 0
    await this.until(`an end of each call in ${tab.name}`, ended).catch((error: Error) =>
      this.failures.push(`${error.message}: ${left.join(', ')}`),
    )
    if (this.over) return
    const works = () =>
      tab.call().then(
        ({ status }) => status === 200,
        () => false,
      )
    await this.until(`a call of ${tab.name} that succeeds`, works).catch((error: Error) =>
      this.failures.push(error.message),
    )
  }
}

/** One tab of the browser. */
export class Tab {
  closed = false
  /** Something is being done to it. */
  busy = false
  readonly world: World
  readonly name: string
  readonly page: Page
  #signingIn = false
  #cdp: Promise<CDPSession> | null = null

  constructor(world: World, name: string, page: Page) {
    this.world = world
    this.name = name
    this.page = page
  }

  async go(path = '/torture/app'): Promise<void> {
    await this.#upset(async () => {
      await this.page.goto(this.world.proxy.origin + path)
      await this.running()
    })
  }

  /** Waits until the page's script runs. */
  running(): Promise<unknown> {
    return this.page.waitForFunction(() => window.torturePage, undefined, { polling: 50, timeout: deadline })
  }

  login(): Promise<void> {
    return this.page.evaluate(() => window.torturePage.login())
  }

  logout(): Promise<void> {
    return this.page.evaluate(() => window.torturePage.logout())
  }

  ready(): Promise<boolean> {
    return this.page.evaluate(() => window.torturePage.ready)
  }

  call(call: Partial<Call> = {}): Promise<Outcome> {
    return this.page.evaluate((wish) => window.torturePage.call(wish), call)
  }

  pace(range: [number, number] | null): Promise<void> {
    return this.page.evaluate((pace) => window.torturePage?.pace(pace), range)
  }

  pending(): Promise<string[]> {
    return this.page.evaluate(() => window.torturePage?.pending() ?? [])
  }

  /** Loads the page anew, whatever is under way. */
  async reload(): Promise<void> {
    await this.#upset(async () => {
      await this.page.reload()
      await this.running()
    })
  }

  async close(): Promise<void> {
    this.closed = true
    this.world.upsets.push({ tab: this.name, from: now(), to: Infinity })
    await this.page.close()
  }

  async #upset(load: () => Promise<void>): Promise<void> {
    const upset = { tab: this.name, from: now(), to: Infinity }
    this.world.upsets.push(upset)
    await load()
    upset.to = now()
  }

  /** Signs in on the sign-in page and goes back to work, as a person would. */
  async signInAgain(): Promise<void> {
    if (this.#signingIn || this.closed) return
    this.#signingIn = true
    try {
      await this.running()
      await this.page.evaluate(async () => {
        for (;;) {
          try {
            return await window.torturePage.login()
          } catch {
            await new Promise((again) => setTimeout(again, 500))
          }
        }
      })
      await this.go()
    } finally {
      this.#signingIn = false
    }
  }

  cdp(): Promise<CDPSession> {
    this.#cdp ??= this.page.context().newCDPSession(this.page)
    return this.#cdp
  }

  /** Freezes the tab, which must not be the one in front. */
  async freeze(): Promise<void> {
    this.world.upsets.push({ tab: this.name, from: now(), to: Infinity })
    await (await this.cdp()).send('Page.setWebLifecycleState', { state: 'frozen' })
  }

  async thaw(): Promise<void> {
    await (await this.cdp()).send('Page.setWebLifecycleState', { state: 'active' })
    const frozen = this.world.upsets.findLast((upset) => upset.tab === this.name)
    if (frozen) frozen.to = now()
  }

  async offline(offline: boolean): Promise<void> {
    const cdp = await this.cdp()
    await cdp.send('Network.enable')
    await cdp.send('Network.emulateNetworkConditions', {
      offline,
      latency: 0,
      downloadThroughput: -1,
      uploadThroughput: -1,
    })
  }

  /** Sets the clock of the device as this tab sees it, in milliseconds off. */
  setClock(off: number): Promise<void> {
    return this.page.evaluate((ms) => (window as unknown as { setClock(ms: number): void }).setClock(ms), off)
  }
}

/** Lets a page's `Date` be set; `performance.now` goes on as it does. */
export const clock = (off: number) => `{
  const Real = Date
  let off = ${off}
  window.setClock = (ms) => { off = ms }
  window.Date = class extends Real {
    constructor(...args) { args.length ? super(...args) : super(Real.now() + off) }
    static now() { return Real.now() + off }
  }
}`
