import { readFileSync } from 'node:fs'
import { gzipSync } from 'node:zlib'
import { expect, test } from 'vitest'

test('the core is at most 6 kB, minified and compressed', () => {
  const bundle = readFileSync(new URL('../../bundle/doorward.js', import.meta.url))
  expect(gzipSync(bundle, { level: 9 }).length).toBeLessThanOrEqual(6144)
})
