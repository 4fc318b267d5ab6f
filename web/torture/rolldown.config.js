import { readdirSync } from 'node:fs'

// Node 20 runs no TypeScript, and a browser none at all.
const page = {
  platform: 'browser',
  resolve: { conditionNames: ['@doorward/source', 'browser', 'import', 'default'] },
  output: { dir: 'dist/page', chunkFileNames: '[name].js' },
}

export default [
  {
    input: ['src/torture.ts', 'src/compare.ts'],
    platform: 'node',
    external: [/^[^./]/],
    output: { dir: 'dist', cleanDir: true, chunkFileNames: '[name].js', sourcemap: true },
  },
  {
    // One script for each client, with the sources of @doorward/client.
    input: readdirSync(new URL('./page/clients', import.meta.url)).map((file) => `page/clients/${file}`),
    ...page,
  },
  // This one is put into a page of the server's, and can import nothing from there.
  { input: 'page/neighbours.ts', ...page },
]
