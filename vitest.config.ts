import { availableParallelism } from 'node:os'
import { playwright } from '@vitest/browser-playwright'
import { defaultClientConditions, defaultServerConditions } from 'vite'
import { defineConfig } from 'vitest/config'
import { chromiumArgs } from './scripts/chromium-args.mjs'
import { findChromium } from './scripts/find-chromium.mjs'

const sourceCondition = '@fhir-outbox/source'
const executablePath = findChromium() ?? '/usr/bin/chromium'

// Left alone, one core of two would rest.
const maxWorkers = Math.max(2, availableParallelism() - 1)

const jsonReport = process.env['VITEST_JSON_REPORT']

export default defineConfig({
  test: {
    reporters: jsonReport === undefined ? ['default'] : ['default', ['json', { outputFile: jsonReport }]],
    projects: [
      {
        ssr: { resolve: { conditions: [sourceCondition, ...defaultServerConditions] } },
        test: {
          name: 'node',
          include: ['{packages,apps}/*/test/**/*.test.ts'],
          exclude: ['**/*.{browser,isolated}.test.ts', '**/node_modules/**'],
          // Modules are loaded once for all files of a worker, which saves a third of the time.
          isolate: false,
          maxWorkers,
          sequence: { groupOrder: 0 },
          testTimeout: 20_000,
        },
      },
      {
        ssr: { resolve: { conditions: [sourceCondition, ...defaultServerConditions] } },
        test: {
          // What replaces modules must have them to itself.
          name: 'node-isolated',
          include: ['{packages,apps}/*/test/**/*.isolated.test.ts'],
          maxWorkers,
          sequence: { groupOrder: 0 },
          testTimeout: 20_000,
        },
      },
      {
        resolve: { conditions: [sourceCondition, ...defaultClientConditions] },
        test: {
          name: 'browser',
          include: ['packages/*/test/**/*.{browser,shared}.test.ts'],
          sequence: { groupOrder: 1 },
          testTimeout: 20_000,
          browser: {
            enabled: true,
            headless: true,
            screenshotFailures: false,
            provider: playwright({
              launchOptions: {
                executablePath,
                args: chromiumArgs,
              },
            }),
            instances: [{ browser: 'chromium' }],
          },
        },
      },
      {
        ssr: { resolve: { conditions: [sourceCondition, ...defaultServerConditions] } },
        test: {
          name: 'e2e',
          include: ['apps/*/e2e/**/*.test.ts'],
          globalSetup: ['apps/web-demo/e2e/support/global-setup.ts'],
          isolate: false,
          // After the others. Most of the time these tests wait, as a person would: two browsers share the machine.
          sequence: { groupOrder: 2 },
          maxWorkers: 2,
          testTimeout: 45_000,
        },
      },
    ],
  },
})
