import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { parseChallenges } from '../src/challenges.ts'
import { codes, errorFrom, safeReturnURL, type Recovery } from '../src/index.ts'

/* The same files that the Go packages must pass. */
const vectors = <T>(name: string): T =>
  JSON.parse(readFileSync(new URL(`../../../testdata/vectors/${name}.json`, import.meta.url), 'utf8')) as T

interface Challenges {
  cases: {
    name: string
    fields: string[]
    challenges: { scheme: string; token68?: string; params?: [string, string][] }[]
    malformed?: boolean
  }[]
}

describe('challenges', () => {
  test.each(vectors<Challenges>('challenges').cases)('$name', ({ fields, challenges }) => {
    // Fields of one name reach a script joined by a comma (RFC 9110 §5.2).
    const read = fields.flatMap((field) => parseChallenges(field))
    expect(read).toEqual((challenges ?? []).map((each) => ({ token68: '', params: [], ...each })))
  })
})

interface Denials {
  codes: { code: string; status: number; detail: string; recovery: Recovery; challenge?: string }[]
  cases: {
    name: string
    denial: { code: string }
    status: number
    headers: Record<string, string>
    body: string | object
  }[]
}

describe('denials', () => {
  const { codes: table } = vectors<Denials>('denials')

  test('the table is the same', () => {
    expect(Object.keys(codes)).toEqual(table.map(({ code }) => code))
  })

  test.each(table)('$code by its body', async ({ code, status, detail, recovery }) => {
    const body = JSON.stringify({
      code,
      detail,
      instance: 'dn_1',
      type: `https://auth.example/errors/${code}`,
    })
    const error = await errorFrom(
      new Response(body, { status, headers: { 'Content-Type': 'application/problem+json' } }),
    )
    expect(error).toMatchObject({
      code,
      status,
      recovery,
      message: detail,
      denial: 'dn_1',
      help: `https://auth.example/errors/${code}`,
    })
  })

  test.each(table.filter(({ challenge }) => challenge))(
    '$code by its challenge alone',
    async ({ status, detail, challenge }) => {
      const error = await errorFrom(
        new Response('<html>', { status, headers: { 'WWW-Authenticate': challenge! } }),
      )
      const said = /error="(\w+)"/.exec(challenge!)?.[1]
      const known: Record<string, string> = {
        invalid_token: 'TOKEN_INVALID',
        insufficient_scope: 'INSUFFICIENT_SCOPE',
        insufficient_user_authentication: 'STEP_UP_REQUIRED',
      }
      expect(error.code).toBe(said ? known[said] : 'TOKEN_MISSING')
      if (said) expect(error.message).toBe(detail)
    },
  )
})

interface Returns {
  cases: { name: string; value: string; safe: boolean }[]
}

describe('return URLs', () => {
  test.each(vectors<Returns>('returns').cases)('$name', ({ value, safe }) => {
    expect(safeReturnURL(value, '/home')).toBe(safe ? value : '/home')
    if (!safe) return
    const url = new URL(value, 'https://app.example')
    expect([url.origin, url.username, url.password]).toEqual(['https://app.example', '', ''])
  })

  test.each([null, undefined, ''])('%s is none', (value) => {
    expect(safeReturnURL(value, '/home')).toBe('/home')
  })
})
