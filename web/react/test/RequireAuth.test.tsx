// @vitest-environment happy-dom
import { act } from '@testing-library/react'
import { beforeEach, expect, test, vi } from 'vitest'
import { AuthProvider, RequireAuth, useApi, useAuth } from '../src/index.ts'
import { makeClient, settle, show, watch } from './render.tsx'
import { ada, password, startServer, type Server } from './server.ts'

/** Where the page went, and what it showed then: happy-dom goes nowhere itself. */
const gone: string[] = []
const shownThen: (string | null)[] = []

beforeEach(() => {
  gone.length = shownThen.length = 0
  window.history.replaceState(null, '', '/account?tab=2')
  for (const way of ['assign', 'replace'] as const) {
    vi.spyOn(window.location, way).mockImplementation((to) => {
      gone.push(String(to))
      shownThen.push(document.body.textContent)
    })
  }
})

function Secret() {
  const { user } = useAuth()
  const { data } = useApi<{ name: string }>('/api/secret')
  return <p>{`secret of ${user?.name}${data ? ` ${data.name}` : ''}`}</p>
}

async function page(server: Server, signIn?: string) {
  const client = makeClient(server.options)
  const shown = await show(
    <AuthProvider client={client}>
      {signIn === undefined ? (
        <RequireAuth fallback="wait">
          <Secret />
        </RequireAuth>
      ) : (
        <RequireAuth fallback="wait" signIn={signIn}>
          <Secret />
        </RequireAuth>
      )}
    </AuthProvider>,
  )
  return { ...shown, client, frames: watch(shown.container) }
}

test('shows the fallback while it is not known, then the children', async () => {
  const server = startServer(ada)
  server.hold('/auth/refresh')
  const { frames } = await page(server)
  server.letGo()
  await settle()
  expect(frames).toEqual(['wait', 'secret of Ada', 'secret of Ada Ada'])
  expect(gone).toEqual([])
})

test('goes to the sign-in page, with the way back, once', async () => {
  const server = startServer()
  server.hold('/auth/refresh')
  const { frames } = await page(server)
  server.letGo()
  await settle(60)
  expect(frames).toEqual(['wait'])
  expect(gone).toHaveLength(1)
  const to = new URL(gone[0]!, window.location.href)
  expect(to.origin + to.pathname).toBe(`${window.location.origin}/login`)
  expect(to.searchParams.get('return')).toBe('/account?tab=2')
})

test('many on a page go once', async () => {
  const server = startServer()
  await show(
    <AuthProvider options={server.options}>
      <RequireAuth>
        <RequireAuth>one</RequireAuth>
      </RequireAuth>
      <RequireAuth>two</RequireAuth>
    </AuthProvider>,
  )
  await settle(60)
  expect(gone).toHaveLength(1)
})

test('goes nowhere on the sign-in page itself', async () => {
  window.history.replaceState(null, '', '/login?return=%2Faccount')
  const { text } = await page(startServer())
  await settle(60)
  expect(gone).toEqual([])
  expect(text()).toBe('wait')
})

test('shows the sign-in in place, and goes nowhere', async () => {
  const server = startServer()
  server.hold('/auth/refresh')
  const { client, frames } = await page(server, 'who are you?')
  server.letGo()
  await settle()
  await act(() => client.login({ email: ada.email, password }))
  await settle()
  expect(frames).toEqual(['wait', 'who are you?', 'secret of Ada', 'secret of Ada Ada'])
  expect(gone).toEqual([])
})

test('when the session ends the children go at once, and the page with them', async () => {
  const server = startServer(ada)
  const { client, frames } = await page(server)
  await act(() => client.logout())
  await settle()
  expect(frames).toEqual(['secret of Ada Ada', 'wait'])
  expect(gone).toHaveLength(1)
})

test('a session that cannot be renewed for now keeps its children', async () => {
  const server = startServer(ada)
  const { text } = await page(server)
  server.refusal = { status: 503, code: 'UNAVAILABLE' }
  await settle(3600)
  expect(text()).toBe('secret of Ada Ada')
  expect(gone).toEqual([])
})

test('gone before it is known, it goes nowhere', async () => {
  const server = startServer()
  server.hold('/auth/refresh')
  const { unmount } = await page(server)
  unmount()
  server.letGo()
  await settle(60)
  expect(gone).toEqual([])
})

test('never goes while rendering', async () => {
  const client = makeClient(startServer().options)
  await client.ready()
  await show(
    <AuthProvider client={client}>
      <RequireAuth fallback="wait" />
    </AuthProvider>,
  )
  expect(shownThen).toEqual(['wait'])
})
