import axios, { isAxiosError } from 'axios'
import { createAuthRefresh } from 'axios-auth-refresh'
import { run } from '../page.ts'
import type { Call, Setting, Subject } from '../subject.ts'

/**
 * axios with axios-auth-refresh as its README shows it: the access token in
 * localStorage, attached by an interceptor, and a renewal after a 401. By
 * cookie the renewal has no body, as in the README; by bearer the refresh token
 * is in localStorage too. A refusal of the renewal leads to the sign-in page,
 * which the README leaves to its reader; nothing else does.
 */
class AxiosAuthRefresh implements Subject {
  readonly #http = axios.create()
  readonly #auth = axios.create()

  constructor(setting: Setting) {
    this.#http.interceptors.request.use((request) => {
      request.headers.Authorization = `Bearer ${localStorage.getItem('token')}`
      return request
    })
    // The package names the types of another build of the same axios.
    createAuthRefresh(
      this.#http as never,
      async (failed: { response: { config: { headers: Record<string, string> } } }) => {
        await this.#renew()
        failed.response.config.headers.Authorization = `Bearer ${localStorage.getItem('token')}`
      },
    )
    if (setting.transport === 'cookie') this.#auth.defaults.headers.common['Doorward-Transport'] = 'cookie'
  }

  async start(): Promise<boolean> {
    return localStorage.getItem('token') !== null
  }

  async login(email: string, password: string): Promise<void> {
    this.#keep((await this.#auth.post('/auth/login', { email, password })).data)
  }

  async logout(): Promise<void> {
    const refreshToken = localStorage.getItem('refreshToken') ?? undefined
    localStorage.clear()
    await this.#auth.post('/auth/logout', { refreshToken })
    location.href = '/login'
  }

  async call({ path, method, headers, body }: Call) {
    const contentType = body === null ? {} : { 'Content-Type': 'application/json' }
    try {
      const response = await this.#http.request({
        url: path,
        method,
        data: body,
        headers: { ...headers, ...contentType },
        responseType: 'text',
        transformResponse: [],
      })
      return { status: response.status, text: async () => String(response.data) }
    } catch (error) {
      if (isAxiosError(error) && error.response)
        return { status: error.response.status, text: async () => '' }
      throw error
    }
  }

  async #renew(): Promise<void> {
    const refreshToken = localStorage.getItem('refreshToken') ?? undefined
    try {
      this.#keep((await this.#auth.post('/auth/refresh', { refreshToken })).data)
    } catch (error) {
      if (isAxiosError(error) && [401, 403].includes(error.response?.status ?? 0)) {
        localStorage.clear()
        location.href = '/login'
      }
      throw error
    }
  }

  #keep({ accessToken, refreshToken }: { accessToken: string; refreshToken?: string }): void {
    localStorage.setItem('token', accessToken)
    if (refreshToken) localStorage.setItem('refreshToken', refreshToken)
  }
}

run((setting) => new AxiosAuthRefresh(setting))
