// @vitest-environment happy-dom
import { act } from '@testing-library/react'
import type { AuthClient, AuthClientOptions } from '@doorward/client'
import { Activity, Suspense, use, useState, type ReactNode } from 'react'
import { expect, test, vi } from 'vitest'
import { AuthProvider, useAuth } from '../src/index.ts'
import { makeClient, settle, show } from './render.tsx'
import { ada, grace, startServer } from './server.ts'

function Who() {
  const { user, status } = useAuth()
  return <p>{user?.name ?? status}</p>
}

test('without props it is for the page’s own origin', async () => {
  const server = startServer(ada)
  vi.stubGlobal('fetch', server.fetch)
  const { text } = await show(
    <AuthProvider>
      <Who />
    </AuthProvider>,
  )
  expect(text()).toBe('Ada')
})

test('it looks for a session with nobody asking, once', async () => {
  const server = startServer(ada)
  await show(<AuthProvider options={server.options}>hello</AuthProvider>)
  expect(server.seen).toEqual(['POST /auth/refresh'])
})

test('StrictMode does not close the client', async () => {
  const server = startServer(ada)
  await show(<AuthProvider options={server.options}>hello</AuthProvider>)
  await settle(900)
  expect(server.count('POST /auth/refresh')).toBe(2)
})

test('what it made it closes when it is gone for good', async () => {
  const server = startServer(ada)
  const { unmount } = await show(
    <AuthProvider options={server.options}>
      <Who />
    </AuthProvider>,
  )
  unmount()
  await settle(3600)
  expect(server.count('POST /auth/refresh')).toBe(1)
  expect(vi.getTimerCount()).toBe(0)
})

test('gone while a renewal is under way, it is silent', async () => {
  const server = startServer(ada)
  server.hold('/auth/refresh')
  const { unmount } = await show(
    <AuthProvider options={server.options}>
      <Who />
    </AuthProvider>,
  )
  unmount()
  server.letGo()
  await settle(3600)
  expect(server.count('POST /auth/refresh')).toBe(1)
})

test('what it was given it leaves open', async () => {
  const server = startServer(ada)
  const client = makeClient(server.options)
  const { unmount, text } = await show(
    <AuthProvider client={client}>
      <Who />
    </AuthProvider>,
  )
  expect(text()).toBe('Ada')
  unmount()
  await settle(900)
  expect(server.count('POST /auth/refresh')).toBe(2)
})

test('rendered again it keeps the client that it made', async () => {
  const server = startServer(ada)
  const tree = (options: AuthClientOptions) => (
    <AuthProvider options={options}>
      <Who />
    </AuthProvider>
  )
  const { text, rerender } = await show(tree(server.options))
  rerender(tree(startServer(grace).options))
  await settle()
  expect(text()).toBe('Ada')
  expect(server.seen).toEqual(['POST /auth/refresh'])
})

test('a client made in a render that was thrown away does nothing', async () => {
  const server = startServer(ada)
  const made: unknown[] = []
  let open = () => {}
  const gate = new Promise<void>((resolve) => (open = resolve))
  function Waits() {
    made.push(useAuth().client)
    use(gate)
    return <Who />
  }
  const { text } = await show(
    <Suspense>
      <AuthProvider options={server.options}>
        <Waits />
      </AuthProvider>
    </Suspense>,
  )
  expect(new Set(made).size).toBeGreaterThan(0)
  expect(server.seen).toEqual([])
  await act(async () => open())
  await settle()
  expect(text()).toBe('Ada')
  expect(server.seen).toEqual(['POST /auth/refresh'])
})

test('hidden it rests, shown again it goes on', async () => {
  const server = startServer(ada)
  let hide = (_: boolean) => {}
  function Page() {
    const [hidden, set] = useState(false)
    hide = set
    return (
      <Activity mode={hidden ? 'hidden' : 'visible'}>
        <AuthProvider options={server.options}>
          <Who />
        </AuthProvider>
      </Activity>
    )
  }
  const { text } = await show(<Page />)
  act(() => hide(true))
  await settle(3600)
  expect(server.count('POST /auth/refresh')).toBe(1)

  server.session = null
  act(() => hide(false))
  await settle(900)
  expect(text()).toBe('signed_out')
})

test('another client is another session', async () => {
  const one = makeClient({ ...startServer(ada).options, server: 'https://one.example.com' })
  const two = makeClient({ ...startServer(grace).options, server: 'https://two.example.com' })
  const tree = (client: typeof one) => (
    <AuthProvider client={client}>
      <Who />
    </AuthProvider>
  )
  const { text, rerender } = await show(tree(one))
  rerender(tree(two))
  await settle()
  expect(text()).toBe('Grace')
})

test('given a client later, it closes its own', async () => {
  const own = startServer(ada)
  const tree = (client?: AuthClient) => (
    <AuthProvider {...(client ? { client } : { options: own.options })}>
      <Who />
    </AuthProvider>
  )
  const { text, rerender } = await show(tree())
  rerender(tree(makeClient({ ...startServer(grace).options, server: 'https://two.example.com' })))
  await settle(3600)
  expect(text()).toBe('Grace')
  expect(own.count('POST /auth/refresh')).toBe(1)
})

test('a change of session renders who asks, and nobody else', async () => {
  const rendered = vi.fn()
  function Still({ children }: { children: ReactNode }) {
    rendered()
    return children
  }
  const server = startServer(ada)
  server.hold('/auth/refresh')
  await show(
    <AuthProvider options={server.options}>
      <Still>
        <Who />
      </Still>
    </AuthProvider>,
  )
  rendered.mockClear()
  server.letGo()
  await settle()
  expect(rendered).not.toHaveBeenCalled()
})
