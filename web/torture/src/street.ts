import type { Browser } from 'playwright-core'
import { Doorward } from './doorward.ts'
import { neighbours } from './neighbours.ts'

/** Puts other people's clients to work on a server, in Node and in Chromium; returns the faults by name. */
export async function meetNeighbours(
  binary: string,
  browser: Browser,
): Promise<{ name: string; fault: string }[]> {
  const results: { name: string; fault: string }[] = []
  for (const { name, meet } of neighbours) {
    const server = await Doorward.start(binary, null, '60s')
    const issuer = `http://127.0.0.1:${server.port}`
    const restart = () => server.restart('SIGKILL')
    try {
      results.push({ name: `${name}, Node`, fault: await faultOf(meet(issuer, restart)) })
      results.push({
        name: `${name}, Chromium`,
        fault: await faultOf(meetInPage(browser, issuer, name, restart)),
      })
    } finally {
      await server.end('SIGKILL')
    }
  }
  return results
}

const faultOf = (work: Promise<void>) =>
  work.then(
    () => '',
    (error: unknown) => String(error),
  )

async function meetInPage(
  browser: Browser,
  issuer: string,
  name: string,
  restart: () => Promise<void>,
): Promise<void> {
  const page = await browser.newPage({ bypassCSP: true })
  try {
    await page.exposeFunction('restart', restart)
    await page.goto(`${issuer}/errors/TOKEN_EXPIRED`) // any page of the server's own origin
    await page.addScriptTag({
      path: new URL('./page/neighbours.js', import.meta.url).pathname,
      type: 'module',
    })
    await page.waitForFunction(() => 'meetNeighbour' in window) // a module runs some time after it was added
    await page.evaluate(([who, where]) => window.meetNeighbour(who, where), [name, issuer] as const)
  } finally {
    await page.close()
  }
}
