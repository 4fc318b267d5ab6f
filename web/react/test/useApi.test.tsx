// @vitest-environment happy-dom
import { act } from '@testing-library/react'
import { isAuthError } from '@doorward/client'
import { useEffect } from 'react'
import { expect, test } from 'vitest'
import { AuthProvider, useApi, type Api, type ApiState, type UseApiOptions } from '../src/index.ts'
import { makeClient, settle, show, watch } from './render.tsx'
import { ada, grace, password, startServer, type Server } from './server.ts'

interface Profile {
  path: string
  name: string
}

/** A page with one `useApi` of `path`, and what it returned. */
async function profilePage(server: Server, path: string | null = '/api/profile', options?: UseApiOptions) {
  const client = makeClient(server.options)
  const seen: ApiState<Profile>[] = []
  function Profile({ path, options }: { path: string | null; options: UseApiOptions | undefined }) {
    const api = useApi<Profile>(path, options)
    useEffect(() => void seen.push(api))
    const { data, error, loading } = api
    return (
      <p>
        {[data && `${data.path} ${data.name}`, error?.message, loading && 'loading']
          .filter(Boolean)
          .join(', ')}
      </p>
    )
  }
  const page = (path: string | null, options?: UseApiOptions) => (
    <AuthProvider client={client}>
      <Profile path={path} options={options} />
    </AuthProvider>
  )
  const shown = await show(page(path, options))
  return {
    ...shown,
    client,
    seen,
    now: () => seen.at(-1)!,
    frames: watch(shown.container),
    change: (path: string | null, options?: UseApiOptions) => shown.rerender(page(path, options)),
  }
}

test('waits until it is known who is signed in, then asks, once', async () => {
  const server = startServer(ada)
  server.hold('/auth/refresh')
  const { text } = await profilePage(server)
  expect(text()).toBe('loading')
  expect(server.count('GET /api/profile')).toBe(0)

  server.hold('/api')
  server.letGo()
  await settle()
  expect(text()).toBe('/api/profile Ada')
  expect(server.count('GET /api/profile')).toBe(1)
})

test('never shows a moment that is neither loading nor loaded', async () => {
  const server = startServer(ada)
  server.hold('/auth/refresh')
  const { frames } = await profilePage(server)
  server.letGo()
  await settle()
  expect(frames).toEqual(['loading', '/api/profile Ada'])
})

test('asks nothing while nobody is signed in', async () => {
  const server = startServer()
  const { now, text } = await profilePage(server)
  expect(text()).toBe('')
  expect(now()).toMatchObject({ data: undefined, error: null, loading: false })
  act(() => now().reload())
  await settle()
  expect(now().loading).toBe(false)
  expect(server.seen).not.toContain('GET /api/profile')
})

test('sends a query, and asks again when it changes, not when it is only another object', async () => {
  const server = startServer(ada)
  const { change, text } = await profilePage(server, '/api/list', { query: { page: 1, filter: undefined } })
  expect(text()).toBe('/api/list?page=1 Ada')
  change('/api/list', { query: { page: 1, filter: undefined } })
  await settle()
  expect(server.count('GET /api/list?page=1')).toBe(1)
  change('/api/list', { query: { page: 2 } })
  await settle()
  expect(text()).toBe('/api/list?page=2 Ada')
})

test.each([
  ['a path that is null', null, undefined],
  ['enabled: false', '/api/profile', { enabled: false }],
])('%s asks nothing, until it does', async (_, path, options) => {
  const server = startServer(ada)
  server.hold('/auth/refresh')
  const { now, change, text } = await profilePage(server, path, options)
  expect(now().loading).toBe(false)
  server.letGo()
  await settle()
  expect(now()).toMatchObject({ data: undefined, error: null, loading: false })
  expect(server.seen).toEqual(['POST /auth/refresh'])
  change('/api/profile')
  await settle()
  expect(text()).toBe('/api/profile Ada')
})

test('gives up a request when the path changes, and shows nothing of the old path under the new', async () => {
  const server = startServer(ada)
  const { change, frames } = await profilePage(server, '/api/1')
  server.hold('/api/2')
  change('/api/2')
  await settle()
  change('/api/3')
  await settle()
  server.letGo()
  await settle()
  expect(server.aborted).toEqual(['GET /api/2'])
  expect(frames).toEqual(['/api/1 Ada', 'loading', '/api/3 Ada'])
})

test('back at a path it asks again, and says so', async () => {
  const server = startServer(ada)
  const { change, text } = await profilePage(server, '/api/1')
  server.hold('/api')
  change('/api/2')
  await settle()
  change('/api/1')
  await settle()
  expect(text()).toBe('loading')
  server.letGo()
  await settle()
  expect(text()).toBe('/api/1 Ada')
})

test('ignores a stale answer, even of a fetch that cannot be aborted', async () => {
  const server = startServer(ada)
  const answers: ((response: Response) => void)[] = []
  server.options.fetch = (input, init) =>
    String(input instanceof Request ? input.url : input).includes('/api/')
      ? new Promise((resolve) => answers.push(resolve))
      : server.fetch(input, init)
  const { change, text } = await profilePage(server, '/api/1')
  change('/api/2')
  await settle()
  const [first, second] = answers
  await act(async () => second!(Response.json({ path: '/api/2', name: 'new' })))
  await settle()
  await act(async () => first!(Response.json({ path: '/api/1', name: 'stale' })))
  await settle()
  expect(text()).toBe('/api/2 new')
})

test('gives up a request when it goes away, and says nothing more', async () => {
  const server = startServer(ada)
  server.hold('/api')
  const { unmount, seen } = await profilePage(server)
  const before = seen.length
  unmount()
  server.letGo()
  await settle()
  expect(server.aborted).toEqual(['GET /api/profile'])
  expect(seen.length).toBe(before)
})

test('going away while a renewal is under way sends nothing', async () => {
  const server = startServer(ada)
  server.hold('/auth/refresh')
  const { unmount } = await profilePage(server)
  unmount()
  server.letGo()
  await settle()
  expect(server.seen).not.toContain('GET /api/profile')
})

test('reload keeps what is there until the answer comes', async () => {
  const server = startServer(ada)
  let visits = 0
  server.api = ({ path }) => ({ path, name: `visit ${++visits}` })
  const { now, frames } = await profilePage(server)
  act(() => now().reload())
  await settle()
  expect(frames).toEqual(['/api/profile visit 1', '/api/profile visit 1, loading', '/api/profile visit 2'])
})

test('reload gives up the request before it', async () => {
  const server = startServer(ada)
  const { now, text } = await profilePage(server)
  server.hold('/api')
  act(() => now().reload())
  await settle()
  act(() => now().reload())
  await settle()
  server.letGo()
  await settle()
  expect(server.aborted).toEqual(['GET /api/profile'])
  expect(text()).toBe('/api/profile Ada')
})

test('says why the API refused, keeps what it had, and forgets the refusal when asked again', async () => {
  const server = startServer(ada)
  const { now, frames } = await profilePage(server)
  const { api } = server
  server.api = () => Response.json({ code: 'INSUFFICIENT_SCOPE', detail: 'no' }, { status: 403 })
  act(() => now().reload())
  await settle()
  const { error } = now()
  expect(isAuthError(error) && error.code).toBe('INSUFFICIENT_SCOPE')
  server.api = api
  act(() => now().reload())
  await settle()
  expect(frames).toEqual([
    '/api/profile Ada',
    '/api/profile Ada, loading',
    '/api/profile Ada, no',
    '/api/profile Ada, loading',
    '/api/profile Ada',
  ])
})

test('an API out of reach is an error, and no end of the session', async () => {
  const server = startServer(ada)
  server.options.fetch = (input, init) =>
    String(input instanceof Request ? input.url : input).includes('/api/')
      ? Promise.reject(new TypeError('Failed to fetch'))
      : server.fetch(input, init)
  const { now, client } = await profilePage(server)
  expect(now()).toMatchObject({ data: undefined, loading: false, error: { name: 'TypeError' } })
  expect(client.isAuthenticated()).toBe(true)
})

test('an empty answer is loaded', async () => {
  const server = startServer(ada)
  server.api = () => undefined
  const { now } = await profilePage(server)
  expect(now()).toMatchObject({ data: undefined, error: null, loading: false })
})

test('forgets data at once when the session ends', async () => {
  const server = startServer(ada)
  const { client, frames, seen } = await profilePage(server)
  server.hold('/auth/logout')
  act(() => void client.logout())
  expect(frames.at(-1)).toBe('/api/profile Ada')
  await settle()
  expect(frames).toEqual(['/api/profile Ada', ''])
  expect(seen.at(-1)!.data).toBeUndefined()
  server.letGo()
  await settle()
})

test('a request that is under way when the session ends leaves nothing behind', async () => {
  const server = startServer(ada)
  server.hold('/api')
  const { client, frames } = await profilePage(server)
  await act(() => client.logout())
  server.letGo()
  await settle()
  expect(frames).toEqual(['loading', ''])
})

test('asks again when another user signs in, and never shows one what belongs to another', async () => {
  const server = startServer(ada)
  const { client, frames, text } = await profilePage(server)
  await act(() => client.login({ email: grace.email, password }))
  await settle()
  expect(text()).toBe('/api/profile Grace')
  expect(frames).toEqual(['/api/profile Ada', 'loading', '/api/profile Grace'])
})

test('a renewal asks nothing again', async () => {
  const server = startServer(ada)
  const { frames } = await profilePage(server)
  await settle(900)
  expect(server.count('POST /auth/refresh')).toBe(2)
  expect(server.count('GET /api/profile')).toBe(1)
  expect(frames).toEqual(['/api/profile Ada'])
})

test('without a path it gives the functions, the same each time', async () => {
  const server = startServer(ada)
  server.api = ({ method, path, body }) => ({ method, path, body })
  const seen: Api[] = []
  function Button() {
    const api = useApi()
    useEffect(() => void seen.push(api))
    return null
  }
  await show(
    <AuthProvider options={server.options}>
      <Button />
      <Button />
    </AuthProvider>,
  )
  expect(new Set(seen).size).toBe(1)
  const { authenticatedFetch, get, post, put, patch, delete: remove } = seen[0]!
  expect(await get('/api/x', { query: { q: 'a b' } })).toEqual({ method: 'GET', path: '/api/x?q=a+b' })
  expect(await post('/api/x', { n: 1 })).toEqual({ method: 'POST', path: '/api/x', body: { n: 1 } })
  expect(await put('/api/x', { n: 2 })).toEqual({ method: 'PUT', path: '/api/x', body: { n: 2 } })
  expect(await patch('/api/x', { n: 3 })).toEqual({ method: 'PATCH', path: '/api/x', body: { n: 3 } })
  expect(await remove('/api/x')).toEqual({ method: 'DELETE', path: '/api/x' })
  const response = await authenticatedFetch('/api/x')
  expect(response.status).toBe(200)
})

test('the functions are there with a path too', async () => {
  const server = startServer(ada)
  const { now } = await profilePage(server)
  server.api = ({ method, path }) => ({ path, name: method })
  expect(await now().post('/api/profile', {})).toEqual({ path: '/api/profile', name: 'POST' })
})

test('two that ask for the same do not disturb each other', async () => {
  const server = startServer(ada)
  let reload = () => {}
  function Names() {
    const { data } = useApi<Profile>('/api/a')
    const other = useApi<Profile>('/api/b')
    reload = other.reload
    return `${data?.path} ${other.data?.path}`
  }
  const { text } = await show(
    <AuthProvider options={server.options}>
      <Names />
    </AuthProvider>,
  )
  act(() => reload())
  await settle()
  expect(text()).toBe('/api/a /api/b')
  expect(server.count('GET /api/a')).toBe(1)
  expect(server.count('GET /api/b')).toBe(2)
})

test('outside of StrictMode it is the same', async () => {
  const { configure } = await import('@testing-library/react')
  configure({ reactStrictMode: false })
  try {
    const server = startServer(ada)
    const { text } = await profilePage(server)
    expect(text()).toBe('/api/profile Ada')
    expect(server.count('GET /api/profile')).toBe(1)
  } finally {
    configure({ reactStrictMode: true })
  }
})
