import { defineConfig } from 'tsup'

export default defineConfig({
  entry: ['src/index.ts', 'src/node/index.ts'],
  format: ['esm'],
  target: 'es2022',
  platform: 'neutral',
  external: [/^node:/],
  dts: { compilerOptions: { ignoreDeprecations: '6.0', types: ['node'] } },
  clean: true,
  sourcemap: true,
  treeshake: true,
})
