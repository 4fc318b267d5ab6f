import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'

/* What the pages tell a reader to write is type-checked, if it imports one of the packages. */

const root = fileURLToPath(new URL('../../../', import.meta.url))
const pages = [
  'README.md',
  'web/client/README.md',
  'web/react/README.md',
  ...['docs', 'docs/errors', 'docs/design'].flatMap((folder) =>
    readdirSync(root + folder)
      .filter((name) => name.endsWith('.md'))
      .map((name) => `${folder}/${name}`),
  ),
].filter((page) => existsSync(root + page))

test('the snippets compile', () => {
  const modules = `${root}web/node_modules/.cache`
  mkdirSync(modules, { recursive: true })
  const folder = mkdtempSync(`${modules}/snippets-`)
  try {
    const snippets = new Map<string, string>()
    for (const page of pages) {
      const blocks = readFileSync(root + page, 'utf8').matchAll(/^```(tsx?)\n(.*?)^```$/gms)
      for (const [, kind, code] of blocks) {
        if (!/from ['"]@doorward\//.test(code!)) continue
        const file = `${page.replace(/\W/g, '-')}-${snippets.size}.${kind}`
        snippets.set(file, page)
        writeFileSync(`${folder}/${file}`, code!)
      }
    }
    expect(snippets.size).toBeGreaterThan(5)
    writeFileSync(
      `${folder}/tsconfig.json`,
      JSON.stringify({
        extends: `${root}web/tsconfig.base.json`,
        compilerOptions: {
          noEmit: true,
          module: 'ESNext',
          moduleResolution: 'Bundler',
          noUnusedLocals: false,
          noUnusedParameters: false,
          types: ['node'],
          moduleDetection: 'force',
          allowImportingTsExtensions: true,
        },
        include: ['.'],
      }),
    )
    writeFileSync(`${folder}/css.d.ts`, "declare module '*.css'\n")
    let said = ''
    try {
      execFileSync(`${root}web/node_modules/.bin/tsc`, ['-p', folder], { encoding: 'utf8' })
    } catch (error) {
      said = (error as { stdout: string }).stdout
    }
    expect(said).toBe('')
  } finally {
    rmSync(folder, { recursive: true })
  }
}, 60_000)
