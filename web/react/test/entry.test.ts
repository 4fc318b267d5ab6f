import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'

const here = join(import.meta.dirname, '..')

test('what is built says that it is for the client, before all else', () => {
  const dir = mkdtempSync(join(tmpdir(), 'doorward-react-'))
  try {
    const tsc = join(here, '../node_modules/.bin/tsc')
    // Without types: those of the client need not be built for this.
    execFileSync(
      tsc,
      [
        '-p',
        'tsconfig.build.json',
        '--noCheck',
        '--declaration',
        'false',
        '--declarationMap',
        'false',
        '--outDir',
        dir,
      ],
      { cwd: here },
    )
    expect(readFileSync(join(dir, 'index.js'), 'utf8')).toMatch(/^'use client';?\n/)
  } finally {
    rmSync(dir, { recursive: true })
  }
})
