import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { afterAll, beforeAll, inject } from 'vitest'
import type {} from './build.ts'

/** What a sign-in with tokens in bodies is answered with. */
export interface Grant {
  accessToken: string
  expiresIn: number
  refreshToken: string
  user: { id: string; email: string; name: string }
}

export const password = 'correct horse battery staple'

/** A real server with a clock of its own, for the tests of one file. */
export class TestServer {
  url = ''
  #users = 0

  /** Moves its clock on, in seconds. */
  async advance(seconds: number): Promise<void> {
    await this.post(`/test/advance?by=${seconds}s`)
  }

  /** Makes an account, and returns its address. */
  async signUp(): Promise<string> {
    const email = `user${++this.#users}@example.com`
    const response = await this.post('/auth/signup', { email, password, name: 'Ada' })
    if (response.status !== 201) throw new Error(`sign-up: ${response.status} ${await response.text()}`)
    return email
  }

  /** Signs a new user in. */
  async signIn(): Promise<Grant> {
    const response = await this.post('/auth/login', { email: await this.signUp(), password })
    if (!response.ok) throw new Error(`sign-in: ${response.status} ${await response.text()}`)
    return response.json()
  }

  /** Trades a refresh token as a page does, by `key` where there is one. */
  async refresh(
    refreshToken: string,
    key?: string,
  ): Promise<{ status: number; grant: Grant; code?: string }> {
    const response = await this.post('/auth/refresh', { refreshToken }, key ? { 'Idempotency-Key': key } : {})
    const grant = await response.json()
    return { status: response.status, grant, code: grant.code }
  }

  post(path: string, body?: unknown, headers: Record<string, string> = {}): Promise<Response> {
    const json = body === undefined ? {} : { 'Content-Type': 'application/json' }
    return fetch(this.url + path, {
      method: 'POST',
      headers: { ...json, ...headers },
      body: JSON.stringify(body) ?? null,
    })
  }
}

/** Runs a server for the tests of this file. */
export function testServer(...flags: string[]): TestServer {
  const server = new TestServer()
  let stop: () => Promise<unknown>
  beforeAll(async () => {
    const child = spawn(inject('server'), flags, { stdio: ['pipe', 'pipe', 'inherit'] })
    const exited = once(child, 'exit')
    stop = () => {
      child.stdin.end()
      return exited
    }
    const [line] = await once(createInterface(child.stdout), 'line')
    server.url = line
  })
  afterAll(() => stop())
  return server
}
