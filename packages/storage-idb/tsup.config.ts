import { defineConfig } from 'tsup'

export default defineConfig({
  entry: ['src/index.ts', 'src/service-worker/index.ts'],
  format: ['esm'],
  target: 'es2022',
  platform: 'browser',
  dts: { compilerOptions: { ignoreDeprecations: '6.0' } },
  clean: true,
  sourcemap: true,
  splitting: true,
  treeshake: true,
})
