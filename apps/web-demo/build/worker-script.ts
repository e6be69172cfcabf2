import { fileURLToPath } from 'node:url'
import { build, type Plugin, type UserConfig } from 'vite'

export interface WorkerScript {
  /** Below the app's folder. */
  readonly entry: string
  /** Global variable with its exports. */
  readonly name: string
  readonly fileName: string
}

/**
 * Builds a part of the service worker into a classic script of its own, which the worker imports when it needs it.
 * Pages never load it.
 */
export function workerScript(
  { entry, name, fileName }: WorkerScript,
  resolve: UserConfig['resolve'],
): Plugin {
  let outDir = 'dist'
  return {
    name: `worker-script ${fileName}`,
    apply: 'build',
    configResolved(config) {
      ;({ outDir } = config.build)
    },
    async writeBundle() {
      await build({
        configFile: false,
        root: fileURLToPath(new URL('..', import.meta.url)),
        logLevel: 'warn',
        ...(resolve === undefined ? {} : { resolve }),
        define: { 'process.env.NODE_ENV': '"production"' },
        build: {
          outDir,
          emptyOutDir: false,
          copyPublicDir: false,
          reportCompressedSize: false,
          target: 'es2022',
          lib: {
            entry,
            name,
            formats: ['iife'],
            fileName: () => fileName,
          },
          // `listen()` of the mock is for Node; nothing here calls it.
          rollupOptions: { external: /^node:/ },
        },
      })
    },
  }
}
