// @vitest-environment happy-dom
import { act, screen } from '@testing-library/react'
import { isAuthError, type User } from '@doorward/client'
import { startTransition, useEffect, useState } from 'react'
import { expect, test, vi } from 'vitest'
import { AuthProvider, useAuth, type Auth } from '../src/index.ts'
import { Catch, settle, show } from './render.tsx'
import { ada, grace, password, startServer } from './server.ts'

/** The last value that `useAuth` returned, and all before it. */
function spy() {
  const seen: Auth[] = []
  function Spy() {
    const auth = useAuth()
    useEffect(() => void seen.push(auth))
    return <p>{auth.isAuthenticated ? auth.user.name : auth.status}</p>
  }
  return { Spy, seen, now: () => seen.at(-1)! }
}

test('says what is known: loading, then who is signed in', async () => {
  const server = startServer(ada)
  server.hold('/auth/refresh')
  const { Spy, now } = spy()
  const { text } = await show(
    <AuthProvider options={server.options}>
      <Spy />
    </AuthProvider>,
  )
  expect(text()).toBe('loading')
  expect(now()).toMatchObject({ status: 'loading', loading: true, isAuthenticated: false, user: null })

  server.letGo()
  await settle()
  expect(text()).toBe('Ada')
  expect(now()).toMatchObject({
    status: 'signed_in',
    loading: false,
    isAuthenticated: true,
    user: ada,
    end: null,
  })
})

test('says that nobody is signed in', async () => {
  const { Spy, now } = spy()
  await show(
    <AuthProvider options={startServer().options}>
      <Spy />
    </AuthProvider>,
  )
  expect(now()).toMatchObject({
    status: 'signed_out',
    loading: false,
    isAuthenticated: false,
    user: null,
    end: null,
  })
})

test('signs in and out', async () => {
  const server = startServer()
  const { Spy, now } = spy()
  const { text } = await show(
    <AuthProvider options={server.options}>
      <Spy />
    </AuthProvider>,
  )

  let user: User | undefined
  await act(async () => void (user = await now().login({ email: ada.email, password })))
  expect(user).toEqual(ada)
  expect(text()).toBe('Ada')

  await act(() => now().logout())
  expect(text()).toBe('signed_out')
  expect(now().end).toEqual({ code: 'SIGNED_OUT', error: null })
  expect(server.session).toBeNull()
})

test('a refused sign-in is the caller’s, and changes nothing', async () => {
  const { Spy, seen, now } = spy()
  await show(
    <AuthProvider options={startServer().options}>
      <Spy />
    </AuthProvider>,
  )
  const before = seen.length
  const refused = await now()
    .login({ email: ada.email, password: 'wrong' })
    .catch((error: unknown) => error)
  await settle()
  expect(isAuthError(refused) && refused.code).toBe('INVALID_CREDENTIALS')
  expect(seen.length).toBe(before)
})

test('says why a session ended', async () => {
  const server = startServer(ada)
  const { Spy, now } = spy()
  await show(
    <AuthProvider options={server.options}>
      <Spy />
    </AuthProvider>,
  )
  server.refusal = { status: 403, code: 'ACCOUNT_SUSPENDED' }
  await settle(900)
  expect(now()).toMatchObject({ status: 'signed_out', user: null, end: { code: 'ACCOUNT_SUSPENDED' } })
})

test('a server out of reach signs nobody out, and is no secret', async () => {
  const server = startServer(ada)
  const { Spy, now } = spy()
  await show(
    <AuthProvider options={server.options}>
      <Spy />
    </AuthProvider>,
  )
  server.refusal = { status: 503, code: 'UNAVAILABLE' }
  await settle(680)
  expect(now()).toMatchObject({ status: 'signed_in', user: ada, error: { code: 'UNAVAILABLE' } })

  server.refusal = null
  await settle(240)
  expect(now()).toMatchObject({ status: 'signed_in', user: ada, error: null })
})

test('functions stay the same, and a value changes only with what it says', async () => {
  const server = startServer(ada)
  const { Spy, seen, now } = spy()
  let again = () => {}
  function Parent() {
    const [, set] = useState(0)
    again = () => set((n) => n + 1)
    return <Spy />
  }
  await show(
    <AuthProvider options={server.options}>
      <Parent />
    </AuthProvider>,
  )
  const before = now()
  act(again)
  expect(now()).toBe(before)

  await act(() => now().logout())
  expect(now()).not.toBe(before)
  for (const { login, logout, fetch, client } of seen) {
    expect({ login, logout, fetch, client }).toEqual({
      login: before.login,
      logout: before.logout,
      fetch: before.fetch,
      client: before.client,
    })
  }
})

test('fetch sends with the session', async () => {
  const { Spy, now } = spy()
  await show(
    <AuthProvider options={startServer(ada).options}>
      <Spy />
    </AuthProvider>,
  )
  const { fetch } = now()
  const response = await fetch('/api/profile')
  expect(await response.json()).toEqual({ path: '/api/profile', name: 'Ada' })
})

test('outside of a provider it says what is missing', async () => {
  const { Spy } = spy()
  const { text } = await show(
    <Catch>
      <Spy />
    </Catch>,
  )
  expect(text()).toBe('useAuth needs an <AuthProvider> around it')
  vi.mocked(console.error).mockClear()
})

test('in a transition no two places disagree about who is signed in', async () => {
  const server = startServer(ada)
  const frames: string[] = []
  const { Spy, now } = spy()
  let grow = () => {}
  function Slow({ name }: { name: string }) {
    const { user } = useAuth()
    return <i>{`${name}:${user?.name ?? 'nobody'} `}</i>
  }
  function Page() {
    const [rows, set] = useState(1)
    grow = () => startTransition(() => set(50))
    useEffect(() => void frames.push(document.body.textContent ?? ''))
    return (
      <>
        <Spy />
        {Array.from({ length: rows }, (_, row) => (
          <Slow key={row} name={`row${row}`} />
        ))}
      </>
    )
  }
  await show(
    <AuthProvider options={server.options}>
      <Page />
    </AuthProvider>,
  )
  await act(async () => {
    grow()
    await now().logout()
    await now().login({ email: grace.email, password })
  })
  expect(screen.getAllByText(/Grace/)).toHaveLength(51)
  for (const frame of frames) {
    const names = new Set([...frame.matchAll(/row\d+:(\w+)/g)].map(([, name]) => name))
    expect(names.size, frame).toBe(1)
  }
})
