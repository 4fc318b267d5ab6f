import ky1 from 'ky'
import ky2 from 'ky2'
import { afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { password, testServer } from '../../test/server.ts'
import { type AuthClient, AuthError, type AuthEvent, createAuthClient } from '../src/index.ts'
import { withAuth } from '../src/ky.ts'

const server = testServer()
let auth: AuthClient
let events: AuthEvent[]
let email = ''

const count = (type: AuthEvent['type']) => events.filter((event) => event.type === type).length

beforeAll(async () => {
  email = await server.signUp()
})

beforeEach(async () => {
  events = []
  auth = createAuthClient({ server: server.url, transport: 'bearer', onEvent: (event) => events.push(event) })
  await auth.login({ email, password })
})

afterEach(() => auth.close())

const expire = () => server.advance(15 * 60 + 31)

describe.each([
  ['1', () => withAuth(ky1.create({ prefixUrl: server.url }), auth)],
  ['2', () => withAuth(ky2.create({ prefix: server.url }), auth) as unknown as typeof ky1],
] as const)('ky %s', (_, make) => {
  const rejected = (call: Promise<unknown>): Promise<Error & { cause?: AuthError; response: Response }> =>
    call.then(
      () => expect.unreachable('it was answered'),
      (error) => error,
    )

  test('requests get the token', async () => {
    expect(await make().get('api/echo').json()).toMatchObject({ method: 'GET' })
    expect(count('sending')).toBe(1)
  })

  test('401s are mended by one refresh, each body sent again as it was', async () => {
    const api = make()
    await expire()
    const form = new FormData()
    form.set('name', 'Ada')
    const answers = await Promise.all([
      api.post('api/echo', { json: { a: 1 } }).json<{ body: string }>(),
      api.put('api/echo', { body: new URLSearchParams({ q: 'a b' }) }).json<{ body: string }>(),
      api.post('api/echo', { body: form }).json<{ body: string }>(),
      api.post('api/echo', { body: new Blob(['cards']) }).json<{ body: string }>(),
    ])
    const [json, search, multipart, blob] = answers.map(({ body }) => body)
    expect([json, search, blob]).toEqual(['{"a":1}', 'q=a+b', 'cards'])
    expect(multipart).toContain('Ada')
    expect([count('renewing'), count('sending')]).toEqual([1, 8])
  })

  test('a refusal says why, and is not tried again', async () => {
    const error = await rejected(make().get('api/scoped'))
    expect([error.name, error.response.status]).toEqual(['HTTPError', 403])
    expect(error.cause).toBeInstanceOf(AuthError)
    expect(error.cause).toMatchObject({ code: 'INSUFFICIENT_SCOPE', scope: 'nobody:has', status: 403 })
    expect(error.cause!.denial).toMatch(/^dn_/)
    expect(count('sending')).toBe(1)
  })

  test('a 401 that nothing mends is sent twice at most', async () => {
    const api = make()
    await server.post('/auth/logout', undefined, { Authorization: `Bearer ${await auth.getToken()}` })
    const error = await rejected(api.get('api/echo'))
    expect(error.cause).toMatchObject({ code: 'TOKEN_REVOKED' })
    expect(count('sending')).toBeLessThanOrEqual(2)
    expect(auth.isAuthenticated()).toBe(false)
    const nobody = await rejected(api.get('api/echo'))
    expect(nobody.cause).toMatchObject({ code: 'TOKEN_MISSING' })
  })

  test('hooks of the program’s own come along', async () => {
    const seen: unknown[] = []
    const api = make().extend({
      hooks: {
        afterResponse: [() => void seen.push('answer')],
        beforeError: [
          (subject) => {
            const error = 'error' in subject ? (subject.error as typeof subject) : subject
            seen.push((error.cause as AuthError).code)
            return error
          },
        ],
      },
    })
    await rejected(api.get('api/scoped'))
    expect(seen).toEqual(['answer', 'INSUFFICIENT_SCOPE'])
  })
})
