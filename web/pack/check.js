// Looks at the packages as the registry would get them: with publint, and with
// "are the types wrong".
import { strict as assert } from 'node:assert'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { packages, run, runInstalled, web, withPacked } from './packages.js'

await withPacked((archives) => {
  for (const [i, name] of packages.entries()) {
    const archive = /** @type {string} */ (archives[i])
    runInstalled(web, 'publint', 'run', archive, '--strict')
    runInstalled(web, 'attw', archive, '--profile', 'esm-only')

    const files = run(web, 'tar', '-tzf', archive).trim().split('\n')
    for (const file of ['LICENSE', 'README.md', 'package.json']) {
      assert(files.includes(`package/${file}`), `${name} is packed without ${file}`)
    }
    const strange = files.filter(
      (file) => !/^package\/((dist|src)\/.+|LICENSE|README\.md|package\.json)$/.test(file),
    )
    assert.deepEqual(strange, [], `${name} is packed with more than it should be`)
    assert.equal(
      readFileSync(join(web, name, 'LICENSE'), 'utf8'),
      readFileSync(join(web, '../LICENSE'), 'utf8'),
      `${name}/LICENSE is not the project's`,
    )
    console.log(`${name}: ${files.length} files; publint and attw have nothing to say`)
  }
})
