// @vitest-environment happy-dom
import { act } from '@testing-library/react'
import type { InitialSession } from '@doorward/client'
import { StrictMode, type ReactNode } from 'react'
import { hydrateRoot } from 'react-dom/client'
import { renderToString } from 'react-dom/server'
import { expect, test, vi } from 'vitest'
import { AuthProvider, RequireAuth, useAuth } from '../src/index.ts'
import { markup, Page } from './page.tsx'
import { makeClient, settle, watch } from './render.tsx'
import { ada, startServer } from './server.ts'

/** Takes over what a server rendered; returns all that the page showed since. */
async function hydrate(html: string, ui: ReactNode) {
  document.body.innerHTML = html
  const frames = watch(document.body)
  const recovered = vi.fn()
  const root = await act(async () =>
    hydrateRoot(document.body, <StrictMode>{ui}</StrictMode>, { onRecoverableError: recovered }),
  )
  await settle()
  expect(recovered).not.toHaveBeenCalled()
  return { frames, unmount: () => act(() => root.unmount()) }
}

test.each<[string, InitialSession]>([
  ['with a token', { user: ada, accessToken: 'from-the-server', expiresIn: 600 }],
  ['without a token', { user: ada }],
])('a page rendered for somebody who is signed in stays as it is: %s', async (_, initial) => {
  const server = startServer(ada)
  const { frames, unmount } = await hydrate(markup.ada, <Page options={server.options} initial={initial} />)
  expect(frames).toEqual(['signed_inAda loading', 'signed_inAda Ada'])
  unmount()
})

test('a page rendered for nobody known waits, then shows who it is', async () => {
  const server = startServer(ada)
  server.hold('/api')
  const { frames, unmount } = await hydrate(markup.unknown, <Page options={server.options} />)
  server.letGo()
  await settle()
  expect(frames).toEqual(['loadingwait', 'signed_inAda loading', 'signed_inAda Ada'])
  unmount()
})

test('a page rendered for somebody who has signed out since shows nothing more of it', async () => {
  const { frames, unmount } = await hydrate(
    markup.ada,
    <Page options={startServer().options} initial={{ user: ada }} />,
  )
  expect(frames).toEqual(['signed_inAda loading', 'signed_outsign in'])
  unmount()
})

test('a client that was made outside hydrates too', async () => {
  const server = startServer(ada)
  const client = makeClient({ ...server.options, initial: { user: ada } })
  const page = (
    <AuthProvider client={client}>
      <RequireAuth fallback="wait">
        <Name />
      </RequireAuth>
    </AuthProvider>
  )
  const { frames, unmount } = await hydrate(renderToString(page), page)
  expect(frames).toEqual(['Ada'])
  unmount()
})

test('a client that has moved on before its page is taken over is no mismatch', async () => {
  const client = makeClient(startServer(ada).options)
  const page = (
    <AuthProvider client={client}>
      <RequireAuth fallback="wait">
        <Name />
      </RequireAuth>
    </AuthProvider>
  )
  const html = renderToString(page)
  await client.ready()
  const { frames, unmount } = await hydrate(html, page)
  expect(frames).toEqual(['wait', 'Ada'])
  unmount()
})

const Name = () => <p>{useAuth().user?.name}</p>
