// `pnpm crash --disk [--length N]`: the power goes before every file-system call of every workload of up to N
// operations (4 unless told) on a new store, and of up to N - 1 on one that has lived. What is done and judged is
// what storage-fs's own tests do for short workloads. `--from B --workload a,b,…` replays one.
import { parseArgs } from 'node:util'
import {
  beginnings,
  emptyTally,
  explore,
  type Finding,
  workloads,
} from '../../packages/storage-fs/test/support/crash-points.js'
import { type Operation, operations } from '../../packages/storage-fs/test/support/workloads.js'

const { values } = parseArgs({
  args: process.argv.slice(2).filter((argument) => argument !== '--'),
  options: {
    disk: { type: 'boolean' },
    length: { type: 'string', default: '4' },
    workload: { type: 'string' },
    from: { type: 'string' },
  },
})
const most = Number(values.length)
const shown = 20
const tally = emptyTally()
let findings = 0

function tell({ fault, workload, at, image, what }: Finding, beginning: string): void {
  if (++findings > shown) return
  console.error(`${fault}: ${what}; call ${at}, image ${image}`)
  console.error(`  replay: pnpm crash --disk --from ${beginning} --workload ${workload.join(',')}`)
}

function given(list: string): readonly Operation[] {
  return list.split(',').map((name) => {
    const operation = operations.find((known) => known === name)
    if (operation === undefined) throw new Error(`no operation "${name}"; there are ${operations.join(', ')}`)
    return operation
  })
}

const one = values.workload === undefined ? undefined : given(values.workload)
for (const { name, history, shorter } of beginnings) {
  if (values.from !== undefined && values.from !== name) continue
  if (one !== undefined) {
    await explore(history, one, tally, (finding) => tell(finding, name))
    continue
  }
  for (let length = 0; length <= most - shorter; length += 1) {
    for (const workload of workloads(length)) {
      await explore(history, workload, tally, (finding) => tell(finding, name))
    }
    console.error(
      `${name} store, length ${length}: ${tally.workloads} workloads, ${tally.distinct} disks opened`,
    )
  }
}
const { workloads: count, crashPoints, images, distinct, lost, reordered, duplicated, corrupt } = tally
console.log(
  `disk workloads=${count} crash-points=${crashPoints} images=${images} distinct=${distinct} ` +
    `lost=${lost} reordered=${reordered} duplicated=${duplicated} corrupt=${corrupt}`,
)
if (findings > 0 || count === 0) process.exitCode = 1
