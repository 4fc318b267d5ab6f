// Starts the real binary, signs in with a real browser, breaks everything that
// the demo can break, and holds both clients to what they say.
//
// DEMO_BINARY names a binary that is built already, DEMO_SHOTS a folder for the
// screenshots, CHROMIUM the browser.
import assert from 'node:assert/strict'
import { execFileSync, spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { chromium } from 'playwright-core'

const root = fileURLToPath(new URL('../../..', import.meta.url))
const temp = mkdtempSync(join(tmpdir(), 'doorward-demo-'))
const shots = process.env.DEMO_SHOTS ?? join(temp, 'shots')
mkdirSync(shots, { recursive: true })

const binary = process.env.DEMO_BINARY ?? join(temp, 'doorward')
if (!process.env.DEMO_BINARY)
  execFileSync('go', ['build', '-o', binary, './cmd/doorward'], { cwd: root, stdio: 'inherit' })

const server = spawn(
  binary,
  ['dev', '--store', `sqlite:${join(temp, 'demo.db')}`, '--listen', '127.0.0.1:0', '--log-level', 'error'],
  {
    stdio: ['ignore', 'pipe', 'inherit'],
  },
)
const origin = await new Promise((resolve, reject) => {
  server.on('exit', () => reject(new Error('the server ended')))
  createInterface(server.stdout).on('line', (line) => {
    const said = line.match(/^listening on (\S+)/)
    if (said) resolve(said[1])
  })
})

const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  args: [
    '--no-sandbox',
    '--disable-gpu',
    '--disable-quic',
    '--no-first-run',
    '--disable-background-networking',
    '--disable-component-update',
    '--disable-sync',
  ],
})

/** A page that complains of everything but requests that were meant to fail. */
async function open(options = {}, address = origin) {
  const context = await browser.newContext({ viewport: { width: 1440, height: 900 }, ...options })
  const page = await context.newPage()
  watch(page)
  context.on('page', watch)
  await page.goto(address)
  return page
}

const complaints = []
function watch(page) {
  page.on('pageerror', (error) => complaints.push(String(error)))
  page.on('console', (message) => {
    if (message.type() !== 'error' && message.type() !== 'warning') return
    if (/^Failed to load resource/.test(message.text())) return
    complaints.push(message.text())
  })
}

async function signIn(page) {
  await page.getByRole('button', { name: 'Sign in' }).click()
  await signedIn(page, 'ours').waitFor()
  await signedIn(page, 'naive').waitFor()
}

/** Pulls a lever, and returns what it says of both clients. */
async function pull(page, id, act = (row) => row.locator('.pull').click()) {
  const row = page.locator(`[data-lever=${id}]`)
  await act(row)
  await row.and(page.locator('[data-busy=false]')).waitFor({ timeout: 30_000 })
  const told = {}
  for (const who of ['ours', 'naive']) {
    const effect = page.locator(`.instrument.${who} .latest .effect`)
    told[who] = {
      end: await effect.locator('.end').innerText(),
      detail: (await effect.locator('.detail').allInnerTexts()).join(),
    }
  }
  console.log(
    `${id.padEnd(8)} ours:  ${told.ours.end}. ${told.ours.detail}\n         naive: ${told.naive.end}. ${told.naive.detail}`,
  )
  return told
}

/** The needless sign-outs of each. */
async function scores(page) {
  const [ours, naive] = await page.locator('.score strong').allInnerTexts()
  return { ours: Number(ours), naive: Number(naive) }
}

const signedIn = (page, who) => page.locator(`.instrument.${who}[data-signed-in=true]`)

async function logInAgain(page) {
  await page.getByRole('button', { name: 'Log in again' }).click()
  await signedIn(page, 'naive').waitFor()
}

const shot = async (page, name) => {
  await page.evaluate(() => document.activeElement?.blur())
  await page.screenshot({ path: join(shots, `${name}.png`), animations: 'disabled' })
}

/** Nothing is wider than the screen, and every control has a name. */
async function tidy(page) {
  assert.equal(
    await page.evaluate(() => document.documentElement.scrollWidth - innerWidth),
    0,
    'the page scrolls sideways',
  )
  const nameless = await page.evaluate(() =>
    [...document.querySelectorAll('button, a, input')]
      .filter((e) => !(e.innerText || e.labels?.length))
      .map((e) => e.outerHTML),
  )
  assert.deepEqual(nameless, [])
}

async function everyLever() {
  const page = await open()
  await page.getByRole('heading', { level: 1, name: /could have been mended/ }).waitFor()
  await tidy(page)
  await shot(page, 'welcome-wide')

  // A wrong password is said in words, with the code.
  await page.getByLabel('Password').fill('wrong')
  await page.getByRole('button', { name: 'Sign in' }).click()
  const refusal = page.locator('.refusal')
  assert.match(await refusal.innerText(), /INVALID_CREDENTIALS/)
  assert.match(
    await refusal.getByRole('link').getAttribute('href'),
    /^\/errors\/INVALID_CREDENTIALS\?denial=dn_/,
  )
  await page.reload()
  await signIn(page)
  assert.equal(await page.locator('.who b').innerText(), 'Ada Lovelace')

  let told = await pull(page, 'sleep')
  assert.equal(told.ours.end, 'Still signed in')
  assert.equal(told.ours.detail, '3 calls refused: TOKEN_EXPIRED. One renewal. All 3 calls answered.')
  assert.equal(told.naive.end, 'Still signed in')

  told = await pull(page, 'lose')
  assert.equal(told.ours.end, 'Still signed in')
  assert.match(told.ours.detail, /asked again with the same key, and renewed/)
  assert.equal(told.naive.end, 'Signed out for nothing')
  assert.deepEqual(await scores(page), { ours: 0, naive: 1 })
  await page.getByText('Please log in.').waitFor()
  await tidy(page)
  await shot(page, 'lost-wide')
  await logInAgain(page)

  told = await pull(page, 'network')
  assert.equal(told.ours.end, 'Still signed in')
  assert.equal(told.naive.end, 'Signed out for nothing')
  told = await pull(page, 'network')
  assert.match(told.ours.detail, /renewal.* The call was answered/)
  assert.equal(told.naive.end, 'Was signed out before')
  await logInAgain(page)

  told = await pull(page, 'restart')
  assert.equal(told.ours.end, 'Still signed in')
  assert.equal(told.naive.end, 'Signed out for nothing')
  assert.deepEqual(await scores(page), { ours: 0, naive: 3 })
  await logInAgain(page)

  const set = (label) => pull(page, 'clock', (row) => row.getByText(label, { exact: true }).click())
  told = await set('10 min slow')
  assert.equal(told.ours.detail, 'All 5 calls answered.')
  assert.match(told.naive.detail, /good for 25 minutes. It is for 15/)
  told = await set('10 min fast')
  assert.equal(told.ours.detail, 'All 5 calls answered.')
  assert.match(told.naive.detail, /Five renewals/)
  await set('right')

  told = await pull(page, 'tab')
  assert.match(told.ours.detail, /asked the server once, and shared/)
  assert.match(told.naive.detail, /asked the server 2 times/)
  assert.equal(page.context().pages().length, 2)

  // The call of every second, and one line for all of them.
  await page.getByRole('checkbox').check()
  await page.locator('.timeline.ours .count', { hasText: '× 3' }).waitFor()
  await page.getByRole('checkbox').uncheck()

  told = await pull(page, 'steal')
  assert.equal(told.ours.end, 'Thief caught')
  assert.match(told.ours.detail, /^No script can read the cookie.*REFRESH_TOKEN_REUSED/)
  assert.equal(told.naive.end, 'Shared with a thief')
  assert.deepEqual(
    await page
      .locator('.instrument.ours .ladder li')
      .allInnerTexts()
      .then((all) => all.map((text) => text.split(/\s+/).join(' '))),
    [
      'thief renewed',
      'owner renewed',
      'thief renewed',
      'owner REFRESH_TOKEN_REUSED',
      'thief INVALID_REFRESH_TOKEN',
    ],
  )
  assert.match(await page.locator('.instrument.ours .over').innerText(), /Somebody used a copy/)
  await tidy(page)
  await shot(page, 'stolen-wide')
  await page.getByRole('button', { name: 'Sign in again' }).click()
  await signedIn(page, 'ours').waitFor()

  told = await pull(page, 'suspend')
  assert.deepEqual([told.ours.end, told.naive.end], ['Rightly signed out', 'Rightly signed out'])
  assert.equal(told.ours.detail, '1 call refused: TOKEN_REVOKED. Its renewal refused: ACCOUNT_SUSPENDED.')
  await page.getByRole('button', { name: 'Sign in again' }).click()
  await page.locator('.instrument.ours .refusal', { hasText: 'ACCOUNT_SUSPENDED' }).waitFor()
  await shot(page, 'suspended-wide')
  await pull(page, 'suspend')
  await page.getByRole('button', { name: 'Sign in again' }).click()
  await signedIn(page, 'ours').waitFor()
  await signedIn(page, 'naive').waitFor()
  assert.deepEqual(await scores(page), { ours: 0, naive: 3 })

  // The session outlives a reload, and a sign-out reaches the other tab.
  await page.reload()
  await signedIn(page, 'ours').waitFor()
  const second = page.context().pages()[1]
  await signedIn(second, 'ours').waitFor()
  await second.getByRole('button', { name: 'Sign out' }).click()
  await page.getByText('You signed out, here or in another tab.').waitFor()
  await page.context().close()
}

/** All that can be done with the keyboard alone, on a phone. */
async function phone(colorScheme) {
  const page = await open({
    viewport: { width: 390, height: 844 },
    deviceScaleFactor: 2,
    colorScheme,
    isMobile: true,
    hasTouch: true,
  })
  await page.getByRole('heading', { level: 1 }).waitFor()
  await tidy(page)
  await shot(page, `welcome-phone-${colorScheme}`)
  await signIn(page)
  for (const id of ['sleep', 'lose']) {
    await page.locator(`[data-lever=${id}] .pull`).focus()
    await page.keyboard.press('Enter')
    await page.locator(`[data-lever=${id}][data-busy=false] .inline .end`).first().waitFor()
  }
  assert.deepEqual(await scores(page), { ours: 0, naive: 1 })
  await tidy(page)
  await page.evaluate(() => scrollTo(0, 0))
  await shot(page, `lost-phone-${colorScheme}`)
  await page.screenshot({ path: join(shots, `whole-phone-${colorScheme}.png`), fullPage: true })
  await page.context().close()
}

/** The picture: what it looks like after a few faults. */
async function picture(colorScheme) {
  const page = await open({ colorScheme })
  await signIn(page)
  for (const id of ['sleep', 'lose']) await pull(page, id)
  await shot(page, `hero-${colorScheme}`)
  await page.screenshot({ path: join(shots, `whole-wide-${colorScheme}.png`), fullPage: true })
  await page.context().close()
}

/** A browser that keeps no Secure cookie of a server on plain http. */
async function withoutCookie() {
  const page = await open({}, origin.replace('127.0.0.1', 'localhost'))
  await page.route('**/dev/copy', async (route) => {
    await page.context().clearCookies()
    await route.continue()
  })
  await signIn(page)
  await page.getByText('This browser keeps no Secure cookie').waitFor()
  const told = await pull(page, 'lose')
  assert.equal(told.ours.end, 'Still signed in')
  await page.reload()
  await signedIn(page, 'ours').waitFor()
  await page.context().close()
}

/** Whose session was ended elsewhere is told so, on the sign-in page and on the page behind the code. */
async function saysWhy() {
  const page = await open()
  const data = {
    email: await page.getByLabel('Email').inputValue(),
    password: await page.getByLabel('Password').inputValue(),
  }
  await signIn(page)
  const ask = async (method, path, token, body) => {
    const headers = { 'Content-Type': 'application/json', ...(token && { Authorization: `Bearer ${token}` }) }
    const response = await fetch(origin + path, { method, headers, body: body && JSON.stringify(body) })
    return response.status === 204 || response.json()
  }
  const { accessToken } = await ask('POST', '/auth/login', null, data)
  const { sessions } = await ask('GET', '/auth/sessions', accessToken)
  for (const { sid, current } of sessions)
    if (!current) await ask('DELETE', `/auth/sessions/${sid}`, accessToken)
  await page.reload()
  await page.locator('.ended', { hasText: 'You were signed out from another device.' }).waitFor()
  await tidy(page)
  await shot(page, 'ended-wide')
  const [explained] = await Promise.all([
    page.context().waitForEvent('page'),
    page.locator('.ended').getByRole('link').click(),
  ])
  await explained.locator('.told', { hasText: 'ended from your list of devices' }).waitFor()
  await shot(explained, 'told-wide')
  await page.context().close()
}

try {
  await everyLever()
  await saysWhy()
  await withoutCookie()
  await phone('light')
  await phone('dark')
  await picture('light')
  await picture('dark')
  assert.deepEqual(complaints, [])
  console.log(
    `all levers do what they say; screenshots in ${process.env.DEMO_SHOTS ? shots : 'DEMO_SHOTS, if it is set'}`,
  )
} finally {
  await browser.close()
  server.removeAllListeners('exit')
  server.kill()
  await new Promise((resolve) => server.once('exit', resolve))
  rmSync(temp, { recursive: true, force: true })
}
