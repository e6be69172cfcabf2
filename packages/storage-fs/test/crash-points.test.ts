import { describe, expect, it } from 'vitest'
import type { FsFile, FsPort } from '../src/index.js'
import { beginnings, emptyTally, explore, type Finding, workloads } from './support/crash-points.js'

// Longer workloads: `pnpm crash --disk`.
describe('the power goes before any file-system call', () => {
  it.each(beginnings)('of every short workload on a store that is $name', async ({ history, shorter }) => {
    const tally = emptyTally()
    const findings: Finding[] = []
    for (let length = 0; length <= 2 - shorter; length++) {
      for (const workload of workloads(length)) {
        await explore(history, workload, tally, (finding) => findings.push(finding))
      }
    }
    expect(findings).toEqual([])
    expect(tally).toMatchObject({ lost: 0, reordered: 0, duplicated: 0, corrupt: 0 })
    // It really happened.
    expect(tally.workloads).toBeGreaterThan(8)
    expect(tally.distinct).toBeGreaterThan(200)
  })

  it('is noticed where it matters: a promise that was not kept is a finding', async () => {
    const findings: Finding[] = []
    const careless = (file: FsFile): FsFile => ({
      ...file,
      datasync: async () => undefined,
      writeSynced: file.write,
    })
    const forgetful = (port: FsPort): FsPort => ({
      ...port,
      open: async (path, mode) => careless(await port.open(path, mode)),
      create: async (path) => careless(await port.create(path)),
    })
    await explore([], ['append'], emptyTally(), (finding) => findings.push(finding), forgetful)
    expect(findings.map(({ fault }) => fault)).toContain('lost')
  })
})
