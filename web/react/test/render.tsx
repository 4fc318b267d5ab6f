import { act, cleanup, configure, render } from '@testing-library/react'
import { createAuthClient, type AuthClient, type AuthClientOptions } from '@doorward/client'
import { Component, type ReactNode } from 'react'
import { afterEach, beforeEach, expect, vi } from 'vitest'

configure({ reactStrictMode: true })

const clients: AuthClient[] = []

/** A client made outside of React, for the length of a test. */
export function makeClient(options: AuthClientOptions): AuthClient {
  const client = createAuthClient(options)
  clients.push(client)
  return client
}

beforeEach(() => {
  vi.stubGlobal('IS_REACT_ACT_ENVIRONMENT', true)
  vi.useFakeTimers()
  vi.spyOn(console, 'error').mockImplementation(() => {})
})

afterEach(() => {
  cleanup()
  for (const client of clients.splice(0)) client.close()
  for (const cookie of document.cookie.split('; '))
    document.cookie = `${cookie.split('=')[0]}=; Max-Age=0; Path=/`
  // What React warns of is a fault, in every test.
  expect(vi.mocked(console.error).mock.calls).toEqual([])
  vi.useRealTimers()
  vi.restoreAllMocks()
  vi.unstubAllGlobals()
})

/** Renders, and lets what is under way come to rest. */
export async function show(ui: ReactNode) {
  const shown = await act(async () => render(ui))
  await settle()
  return { ...shown, text: () => shown.container.textContent }
}

/** Lets what is under way come to rest: requests and what follows from them, and timers that are due. */
export const settle = (seconds = 0) => act(() => vi.advanceTimersByTimeAsync(seconds * 1000))

/** All that the page shows from now on, in order. */
export function watch(container: Node): string[] {
  const frames = [container.textContent ?? '']
  const look = () => {
    const text = container.textContent ?? ''
    if (text !== frames.at(-1)) frames.push(text)
  }
  new MutationObserver(look).observe(container, { childList: true, subtree: true, characterData: true })
  return frames
}

/** Shows what its children threw. */
export class Catch extends Component<{ children: ReactNode }> {
  override state = { error: null as Error | null }
  static getDerivedStateFromError = (error: Error) => ({ error })
  override render = () => this.state.error?.message ?? this.props.children
}
