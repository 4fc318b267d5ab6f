// The client that is usually built: tokens in localStorage, an expiry read from
// the token and held against the device's clock, and a refresh whose every
// failure means the sign-in page. It is here to be compared with, and it is
// meant well: nothing in it is worse than in what people copy from guides.

const tokenKey = 'naive.token'
const refreshTokenKey = 'naive.refreshToken'

/** Renew when less than this is left, in milliseconds. */
export const margin = 5 * 60_000

export class NaiveClient {
  readonly #fetch: typeof fetch
  readonly #goToSignIn: () => void

  constructor(send: typeof fetch, goToSignIn: () => void) {
    this.#fetch = send
    this.#goToSignIn = goToSignIn
  }

  get token(): string | null {
    return localStorage.getItem(tokenKey)
  }

  set token(token: string) {
    localStorage.setItem(tokenKey, token)
  }

  get refreshToken(): string | null {
    return localStorage.getItem(refreshTokenKey)
  }

  /** What its token says of its own time, in milliseconds of the device's clock. */
  get times(): { issued: number; expires: number } {
    try {
      const payload = this.token!.split('.')[1]!.replace(/-/g, '+').replace(/_/g, '/')
      const { iat, exp } = JSON.parse(atob(payload))
      return { issued: iat * 1000, expires: exp * 1000 }
    } catch {
      return { issued: 0, expires: 0 }
    }
  }

  async login(credentials: { email: string; password: string }): Promise<void> {
    const response = await this.#fetch('/auth/login', json(credentials))
    if (!response.ok) throw new Error('Login failed.')
    this.#keep(await response.json())
  }

  forget(): void {
    localStorage.removeItem(tokenKey)
    localStorage.removeItem(refreshTokenKey)
  }

  /** `fetch` with the token, renewed before if its time seems over, and after a 401. */
  async request(path: string): Promise<Response> {
    if (Date.now() >= this.times.expires - margin && !(await this.refresh())) throw this.#leave()
    let response = await this.#send(path)
    if (response.status === 401 && (await this.refresh())) response = await this.#send(path)
    if (response.status === 401) throw this.#leave()
    return response
  }

  /** What a request does first when the token is due. */
  async renew(): Promise<void> {
    if (!(await this.refresh())) this.#leave()
  }

  /** Trades the refresh token for new tokens; whatever goes wrong, the session is given up. */
  async refresh(): Promise<boolean> {
    const { refreshToken } = this
    if (!refreshToken) return false
    try {
      const response = await this.#fetch('/auth/refresh', json({ refreshToken }))
      if (!response.ok) throw new Error(`HTTP ${response.status}`)
      this.#keep(await response.json())
      return true
    } catch {
      this.forget()
      return false
    }
  }

  #send(path: string): Promise<Response> {
    return this.#fetch(path, { headers: { Authorization: `Bearer ${this.token}` } })
  }

  #keep(answer: { accessToken: string; refreshToken: string }): void {
    this.token = answer.accessToken
    localStorage.setItem(refreshTokenKey, answer.refreshToken)
  }

  #leave(): Error {
    this.forget()
    this.#goToSignIn()
    return new Error('Authentication required')
  }
}

const json = (body: object): RequestInit => ({
  method: 'POST',
  credentials: 'omit',
  headers: { 'Content-Type': 'application/json' },
  body: JSON.stringify(body),
})
