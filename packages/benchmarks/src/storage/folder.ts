import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** A fresh folder on the disk that is measured: BENCH_DIRECTORY, or the system's temporary folder. */
export function freshFolder(): { readonly path: string; readonly remove: () => void } {
  const path = mkdtempSync(join(process.env['BENCH_DIRECTORY'] ?? tmpdir(), 'fhir-outbox-bench-'))
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) }
}
