// @vitest-environment node
import { renderToString } from 'react-dom/server'
import { StrictMode } from 'react'
import { expect, test, vi } from 'vitest'
import { AuthProvider } from '../src/index.ts'
import { markup, Page } from './page.tsx'
import { ada } from './server.ts'

test('renders where there is no window, and sends nothing', () => {
  expect(globalThis).not.toHaveProperty('window')
  const fetch = vi.fn()
  expect(renderToString(<Page options={{ fetch }} />)).toBe(markup.unknown)
  expect(renderToString(<Page options={{ fetch }} initial={{ user: ada }} />)).toBe(markup.ada)
  expect(
    renderToString(
      <StrictMode>
        <AuthProvider>hello</AuthProvider>
      </StrictMode>,
    ),
  ).toBe('hello')
  expect(fetch).not.toHaveBeenCalled()
})

test('each render is its own: nothing of one person reaches the page of the next', () => {
  renderToString(<Page initial={{ user: ada }} />)
  expect(renderToString(<Page />)).toBe(markup.unknown)
})
