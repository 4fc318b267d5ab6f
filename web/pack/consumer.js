// Stands where a stranger stands: an empty folder, the packed packages, React
// and Vite from the registry, and what the READMEs say.
import { strict as assert } from 'node:assert'
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { manifest, packages, run, runInstalled, web, withPacked } from './packages.js'

const needed = ['react', 'react-dom', 'vite', 'typescript', '@types/react', '@types/react-dom']
const optional = Object.keys(manifest('client').peerDependenciesMeta)

// As Vite's own template has it, but for skipLibCheck: what is published must compile too.
const compilerOptions = {
  target: 'ES2022',
  lib: ['ES2023', 'DOM', 'DOM.Iterable'],
  module: 'ESNext',
  moduleResolution: 'bundler',
  moduleDetection: 'force',
  verbatimModuleSyntax: true,
  jsx: 'react-jsx',
  types: [],
  strict: true,
  noUnusedLocals: false,
  skipLibCheck: false,
  noEmit: true,
}

const main = `import { createRoot } from 'react-dom/client'
import App from './App'

createRoot(document.getElementById('root')!).render(<App />)
`

// Where there is no page, importing is all that may happen.
const importAll = `const before = Object.getOwnPropertyNames(globalThis)
for (const entry of entries) {
  if (Object.keys(await import(entry)).length === 0) throw new Error(entry + ' exports nothing')
}
const after = Object.getOwnPropertyNames(globalThis).filter((name) => !before.includes(name))
if (after.length > 0) throw new Error('importing has made globals: ' + after)
`

await withPacked((archives, dir) => {
  const app = join(dir, 'app')
  mkdirSync(join(app, 'src'), { recursive: true })
  const write = (/** @type {string} */ name, /** @type {string} */ text) =>
    writeFileSync(join(app, name), text)
  const install = (/** @type {string[]} */ what) =>
    run(app, 'npm', 'install', '--no-audit', '--no-fund', '--prefer-offline', ...what)
  const compile = () => runInstalled(app, 'tsc', '-p', '.')

  write('package.json', JSON.stringify({ name: 'app', private: true, type: 'module' }))
  write('tsconfig.json', JSON.stringify({ compilerOptions, include: ['src'] }))
  write('index.html', '<div id="root"></div><script type="module" src="/src/main.tsx"></script>')
  write('src/main.tsx', main)
  const [snippet] = snippets('react')
  if (!snippet?.name.endsWith('.tsx')) throw new Error('the README of react does not begin with an app')
  write('src/App.tsx', snippet.text)

  install([...archives, ...needed.map(asHere)])
  compile()
  runInstalled(app, 'vite', 'build')
  const built = readdirSync(join(app, 'dist/assets')).filter((name) => name.endsWith('.js'))
  assert.equal(built.length, 1)
  console.log('an app as in the README: compiled, and built by Vite')

  install(optional.map(asHere))
  const all = packages.flatMap(snippets)
  for (const { name, text } of all) write(join('src', name), text)
  compile()
  console.log(`${all.length} snippets of the READMEs: compiled`)

  const entries = packages.flatMap((name) =>
    Object.keys(manifest(name).exports).map((path) => manifest(name).name + path.slice(1)),
  )
  write('import.js', `const entries = ${JSON.stringify(entries)}\n${importAll}`)
  run(app, 'node', 'import.js')
  console.log(`${entries.length} entries: imported by Node`)
})

/**
 * A package at the version that is used here, so that no release of others
 * breaks what was not changed.
 *
 * @param {string} name
 */
function asHere(name) {
  const { version } = JSON.parse(readFileSync(join(web, 'node_modules', name, 'package.json'), 'utf8'))
  return `${name}@${version}`
}

/**
 * The TypeScript of a README, each block a file.
 *
 * @param {string} name
 */
function snippets(name) {
  const text = readFileSync(join(web, name, 'README.md'), 'utf8')
  return [...text.matchAll(/^```(tsx?)\n(.*?)^```$/gms)].map(([, kind, text], i) => ({
    name: `${name}-${i}.${kind}`,
    text: text ?? '',
  }))
}
