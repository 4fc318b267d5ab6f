import * as client from 'openid-client'
import * as oauth from 'oauth4webapi'
import axios, { isAxiosError, type InternalAxiosRequestConfig } from 'axios'
import { createRemoteJWKSet, errors, jwtVerify } from 'jose'
import { ada } from './ada.ts'

/** What other people's clients and verifiers make of the same server. */
export interface Neighbour {
  name: string
  /** Rejects with what is wrong. `restart` kills the server and starts it again. */
  meet(issuer: string, restart: () => Promise<void>): Promise<void>
}

interface Grant {
  accessToken: string
  refreshToken: string
  expiresIn: number
}

const login = async (issuer: string): Promise<Grant> =>
  (await axios.post<Grant>(`${issuer}/auth/login`, ada)).data

function expect(holds: unknown, what: string): asserts holds {
  if (!holds) throw new Error(what)
}

/** The same token with one letter of its signature changed. */
function forged(token: string): string {
  const at = token.lastIndexOf('.') + 1
  return token.slice(0, at) + (token[at] === 'A' ? 'B' : 'A') + token.slice(at + 1)
}

/** The error that `work` rejects with. */
async function refusal(work: Promise<unknown>): Promise<unknown> {
  const nothing = Symbol('nothing')
  const error = await work.then(
    () => nothing,
    (reason: unknown) => reason,
  )
  expect(error !== nothing, 'what should be refused was let through')
  return error
}

export const neighbours: readonly Neighbour[] = [
  {
    name: 'jose, remote keys',
    async meet(issuer) {
      const { accessToken } = await login(issuer)
      const keys = createRemoteJWKSet(new URL(`${issuer}/.well-known/jwks.json`))
      const rules = {
        issuer,
        audience: issuer,
        typ: 'at+jwt',
        requiredClaims: ['sub', 'sid', 'jti', 'client_id'],
      }
      const { payload } = await jwtVerify(accessToken, keys, rules)
      expect(payload.email === ada.email, `the token speaks of ${String(payload.email)}`)
      const error = await refusal(jwtVerify(forged(accessToken), keys, rules))
      expect(error instanceof errors.JWSSignatureVerificationFailed, `a forged token: ${String(error)}`)
      await refusal(jwtVerify(accessToken, keys, { ...rules, audience: 'https://somebody.else' }))
    },
  },
  {
    name: 'jose, after a restart',
    async meet(issuer, restart) {
      const { accessToken } = await login(issuer)
      await restart()
      await jwtVerify(accessToken, createRemoteJWKSet(new URL(`${issuer}/.well-known/jwks.json`)), {
        issuer,
        audience: issuer,
      })
    },
  },
  {
    name: 'oauth4webapi, discovery and a resource server',
    async meet(issuer) {
      const insecure = { [oauth.allowInsecureRequests]: true }
      for (const algorithm of ['oidc', 'oauth2'] as const) {
        const answer = await oauth.discoveryRequest(new URL(issuer), { algorithm, ...insecure })
        const server = await oauth.processDiscoveryResponse(new URL(issuer), answer)
        const { accessToken } = await login(issuer)
        const request = (token: string) =>
          new Request(`${issuer}/api`, { headers: { Authorization: `Bearer ${token}` } })
        const claims = await oauth.validateJwtAccessToken(server, request(accessToken), issuer, insecure)
        expect(claims.client_id && claims.sub, 'a claim of RFC 9068 is missing')
        await refusal(oauth.validateJwtAccessToken(server, request(forged(accessToken)), issuer, insecure))
      }
    },
  },
  {
    name: 'oauth4webapi, a protected resource',
    async meet(issuer) {
      const insecure = { [oauth.allowInsecureRequests]: true }
      const ask = (token: string) =>
        oauth.protectedResourceRequest(
          token,
          'GET',
          new URL(`${issuer}/api/profile`),
          undefined,
          null,
          insecure,
        )
      const { accessToken } = await login(issuer)
      expect((await ask(accessToken)).status === 200, 'a good token is refused')
      // Only a challenge that can be parsed becomes this error.
      const error = await refusal(ask(forged(accessToken)))
      expect(
        error instanceof oauth.WWWAuthenticateChallengeError,
        `no challenge that it reads: ${String(error)}`,
      )
      const [challenge] = error.cause
      expect(
        challenge?.scheme === 'bearer' && challenge.parameters.error === 'invalid_token',
        JSON.stringify(error.cause),
      )
    },
  },
  {
    name: 'openid-client, discovery and a protected resource',
    async meet(issuer) {
      const config = await client.discovery(new URL(issuer), 'torture', undefined, client.None(), {
        execute: [client.allowInsecureRequests],
      })
      expect(config.serverMetadata().issuer === issuer, 'another issuer')
      const { accessToken } = await login(issuer)
      const ask = (token: string) =>
        client.fetchProtectedResource(config, token, new URL(`${issuer}/api/profile`), 'GET')
      expect((await ask(accessToken)).status === 200, 'a good token is refused')
      const error = await refusal(ask(forged(accessToken)))
      expect(
        error instanceof client.WWWAuthenticateChallengeError,
        `no challenge that it reads: ${String(error)}`,
      )
    },
  },
  {
    name: 'axios, plain interceptors',
    async meet(issuer) {
      let grant = await login(issuer)
      let renewal: Promise<void> | null = null
      let renewals = 0
      const http = axios.create({ baseURL: issuer })
      http.interceptors.request.use((request) => {
        request.headers.Authorization = `Bearer ${grant.accessToken}`
        return request
      })
      http.interceptors.response.use(undefined, async (error: unknown) => {
        if (!isAxiosError<{ code: string }>(error) || error.response?.status !== 401) throw error
        const request = error.config as InternalAxiosRequestConfig & { again?: true }
        if (request.again) throw error
        request.again = true
        renewals++
        renewal ??= axios
          .post<Grant>(`${issuer}/auth/refresh`, { refreshToken: grant.refreshToken })
          .then(({ data }) => void (grant = data))
          .finally(() => (renewal = null))
        await renewal
        return http.request(request)
      })
      grant = { ...grant, accessToken: forged(grant.accessToken) }
      const answers = await Promise.all(Array.from({ length: 5 }, () => http.get('/api/profile')))
      expect(
        answers.every(({ status }) => status === 200) && renewals > 0,
        'what a renewal mends was not mended',
      )
      // Without an Idempotency-Key: an answer that was lost is asked for again, and the session goes on.
      const again = { refreshToken: grant.refreshToken }
      const [first, second] = [
        await axios.post<Grant>(`${issuer}/auth/refresh`, again),
        await axios.post<Grant>(`${issuer}/auth/refresh`, again),
      ]
      expect(first.data.refreshToken === second.data.refreshToken, 'a repeated refresh has another answer')
    },
  },
]
