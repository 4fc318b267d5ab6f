import { run } from '../page.ts'
import type { Answered, Call, Subject } from '../subject.ts'

/** The guide takes a token for expired when this much of its life is left, in milliseconds. */
const buffer = 5 * 60 * 1000

/**
 * What a reader of the reference guide ends up with: both tokens in
 * localStorage, their age told by the device's clock, a renewal by everybody
 * who wants one, and the tokens thrown away when a renewal fails for any reason.
 */
class Guide implements Subject {
  async start(): Promise<boolean> {
    return localStorage.getItem('authToken') !== null
  }

  async login(email: string, password: string): Promise<void> {
    const response = await fetch('/auth/login', json({ email, password }))
    if (!response.ok) throw new Error(`login: ${response.status}`)
    this.#keep(await response.json())
  }

  async logout(): Promise<void> {
    this.#forget()
    location.href = '/login'
  }

  async call(call: Call): Promise<Answered> {
    const token = this.#fresh() ?? ((await this.#renew()) ? localStorage.getItem('authToken') : null)
    if (!token) return this.#signIn('Authentication required')
    let response = await this.#send(call, token)
    if (response.status === 401) {
      const renewed = await this.#renew()
      if (renewed) response = await this.#send(call, localStorage.getItem('authToken') ?? '')
      if (response.status === 401) return this.#signIn('Authentication failed')
    }
    return response
  }

  #send({ path, method, headers, body }: Call, token: string): Promise<Response> {
    const all = { Authorization: `Bearer ${token}`, 'Content-Type': 'application/json', ...headers }
    return fetch(path, { method, headers: all, body })
  }

  #fresh(): string | null {
    const token = localStorage.getItem('authToken')
    if (!token) return null
    try {
      const { exp } = JSON.parse(atob(token.split('.')[1] ?? '')) as { exp: number }
      return Date.now() >= exp * 1000 - buffer ? null : token
    } catch {
      return null
    }
  }

  async #renew(): Promise<boolean> {
    const refreshToken = localStorage.getItem('refreshToken')
    if (!refreshToken) return false
    try {
      const response = await fetch('/auth/refresh', json({ refreshToken }))
      if (response.ok) {
        this.#keep(await response.json())
        return true
      }
    } catch {
      // Whatever went wrong, the guide goes on as after a refusal.
    }
    this.#forget()
    return false
  }

  #keep({ accessToken, refreshToken }: { accessToken: string; refreshToken?: string }): void {
    localStorage.setItem('authToken', accessToken)
    if (refreshToken) localStorage.setItem('refreshToken', refreshToken)
  }

  #forget(): void {
    localStorage.removeItem('authToken')
    localStorage.removeItem('refreshToken')
  }

  #signIn(reason: string): never {
    this.#forget()
    location.href = '/login'
    throw Object.assign(new Error(reason), { status: 401 })
  }
}

const json = (data: unknown): RequestInit => ({
  method: 'POST',
  headers: { 'Content-Type': 'application/json' },
  body: JSON.stringify(data),
})

run(() => new Guide())
