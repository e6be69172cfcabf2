import { defaultClientConditions, defineConfig } from 'vite'
import { VitePWA } from 'vite-plugin-pwa'
import { contentSecurityPolicy } from './build/content-security-policy.mjs'
import { icons } from './build/icons.ts'
import { workerScript } from './build/worker-script.ts'

// The workspace's packages are taken from their source: nothing has to be built before.
const resolve = { conditions: ['@fhir-outbox/source', ...defaultClientConditions] }

export default defineConfig({
  // Relative, so that the app can live in any folder of a web server.
  base: './',
  resolve,
  oxc: { jsx: { runtime: 'automatic', importSource: 'preact' } },
  build: {
    target: 'es2022',
    modulePreload: false,
    // Everything is a file: the policy allows neither inline scripts nor data URLs in scripts.
    assetsInlineLimit: 0,
    reportCompressedSize: false,
  },
  plugins: [
    contentSecurityPolicy(),
    icons(),
    workerScript(
      { entry: 'src/sw/mock-host.ts', name: 'fhirOutboxMock', fileName: 'mock-server.js' },
      resolve,
    ),
    workerScript(
      { entry: 'src/sw/delivery.ts', name: 'fhirOutboxDelivery', fileName: 'delivery.js' },
      resolve,
    ),
    VitePWA({
      strategies: 'injectManifest',
      srcDir: 'src/sw',
      filename: 'service-worker.ts',
      injectRegister: false,
      manifest: {
        id: './',
        name: 'FHIR Outbox: blood pressure',
        short_name: 'FHIR Outbox',
        description: 'Measures blood pressure and delivers every reading once, with or without a network.',
        start_url: './',
        scope: './',
        display: 'standalone',
        background_color: '#f6f7f6',
        theme_color: '#f6f7f6',
        icons: [
          { src: './icon-192.png', sizes: '192x192', type: 'image/png', purpose: 'any' },
          { src: './icon-512.png', sizes: '512x512', type: 'image/png', purpose: 'any' },
          { src: './icon-maskable-512.png', sizes: '512x512', type: 'image/png', purpose: 'maskable' },
          { src: './icon.svg', sizes: 'any', type: 'image/svg+xml', purpose: 'any' },
        ],
      },
      injectManifest: {
        rollupFormat: 'iife',
        // The other parts of the service worker are kept by the browser together with it.
        globPatterns: ['**/*.{html,js,css,svg,png}'],
        globIgnores: ['mock-server.js', 'delivery.js', 'service-worker.js'],
      },
    }),
  ],
})
