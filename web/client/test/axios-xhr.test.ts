// @vitest-environment happy-dom
import axios, { type AxiosError } from 'axios'
import type { Window } from 'happy-dom'
import { beforeAll, expect, test } from 'vitest'
import { password, testServer } from '../../test/server.ts'
import { attachAuth } from '../src/axios.ts'
import { createAuthClient, type AuthEvent } from '../src/index.ts'

const server = testServer()

beforeAll(() => (window as unknown as Window).happyDOM.setURL(`${server.url}/app/`))

test('with the xhr adapter, on a page', async () => {
  const events: AuthEvent[] = []
  const auth = createAuthClient({ transport: 'bearer', onEvent: (event) => events.push(event) })
  await auth.login({ email: await server.signUp(), password })
  const api = axios.create({ adapter: 'xhr', baseURL: '../api' })
  attachAuth(api, auth)
  expect((await api.get('/echo')).status).toBe(200)

  await server.advance(15 * 60 + 31)
  const answers = await Promise.all(
    ['a', 'b', 'c'].map((name) => api.post('/echo', { name }, { responseType: 'json' })),
  )
  expect(answers.map(({ data }) => data.body)).toEqual(['{"name":"a"}', '{"name":"b"}', '{"name":"c"}'])
  expect(events.filter(({ type }) => type === 'renewing')).toHaveLength(1)

  const error: AxiosError = await api.get('/scoped', { responseType: 'arraybuffer' }).catch((error) => error)
  expect(error.cause).toMatchObject({ code: 'INSUFFICIENT_SCOPE', scope: 'nobody:has' })
  auth.close()
})
