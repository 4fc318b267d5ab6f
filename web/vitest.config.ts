import { defineConfig } from 'vitest/config'

// The sources, not what was last built of them.
const conditions = ['@doorward/source']

export default defineConfig({
  resolve: { conditions },
  ssr: { resolve: { conditions } },
  test: {
    include: ['{client,react}/test/**/*.test.{ts,tsx}'],
    globalSetup: './test/build.ts',
    testTimeout: 30_000, // for what hangs, not for machines that are busy
  },
})
