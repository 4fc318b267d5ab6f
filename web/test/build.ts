import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestProject } from 'vitest/node'

declare module 'vitest' {
  interface ProvidedContext {
    /** Path of the server that the tests start. */
    server: string
  }
}

/** Builds the server once for all tests. */
export default function setup(project: TestProject): () => void {
  const dir = mkdtempSync(join(tmpdir(), 'doorward-test-'))
  const path = join(dir, 'server')
  execFileSync('go', ['build', '-o', path, './testdata/server'], {
    cwd: join(import.meta.dirname, '..'),
    stdio: 'inherit',
  })
  project.provide('server', path)
  return () => rmSync(dir, { recursive: true })
}
