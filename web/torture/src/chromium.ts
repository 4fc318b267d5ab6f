import { spawn } from 'node:child_process'
import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { chromium, type Browser, type BrowserContext } from 'playwright-core'

const executablePath = process.env.CHROMIUM ?? '/usr/bin/chromium'

const args = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--disable-background-timer-throttling',
  '--ignore-certificate-errors',
]

/** A browser whose contexts have nothing in common: neither cookies, storage, locks nor channels. */
export function launch(): Promise<Browser> {
  // Playwright turns the back/forward cache off, which users have on.
  return chromium.launch({
    executablePath,
    args,
    ignoreDefaultArgs: ['--disable-back-forward-cache'],
    handleSIGTERM: false,
    handleSIGINT: false,
  })
}

/**
 * A browser as people have it: all tabs but one are hidden, and hidden ones
 * can be frozen. In those that Playwright launches every page thinks that it
 * is looked at, and Chromium freezes none of these.
 */
export async function launchPlain(): Promise<{ context: BrowserContext; close: () => Promise<void> }> {
  const profile = await mkdtemp(join(tmpdir(), 'doorward-torture-'))
  const more = ['--headless', '--remote-debugging-port=0', `--user-data-dir=${profile}`, 'about:blank']
  const child = spawn(executablePath, [...args, ...more], {
    stdio: ['ignore', 'ignore', 'pipe'],
    detached: true,
  })
  // Its children with it, also where this program ends before its time.
  const kill = () => void (child.pid && child.exitCode === null && process.kill(-child.pid, 'SIGKILL'))
  process.once('exit', kill)
  const address = await new Promise<string>((resolve, reject) => {
    let said = ''
    child.stderr.on('data', (data: Buffer) => {
      said += data
      const found = /ws:\/\/\S+/.exec(said)?.[0]
      if (found) resolve(found)
    })
    child.once('exit', () => reject(new Error(`Chromium did not start: ${said}`)))
  })
  const browser = await chromium.connectOverCDP(address, { noDefaults: true })
  const context = browser.contexts()[0]
  if (!context) throw new Error('Chromium has no default context')
  const close = async () => {
    await browser.close()
    process.off('exit', kill)
    if (child.exitCode !== null) return
    const gone = new Promise((resolve) => child.once('exit', resolve))
    kill()
    await gone
  }
  return { context, close }
}
