// `pnpm simulate --seeds N [--from S]`: the outbox over simulated time, storage and network, one seed after the other.
import { parseArgs } from 'node:util'
import { runSeeds, simulateOutbox } from '@fhir-outbox/queue-core/simulation'

const { values } = parseArgs({
  args: process.argv.slice(2).filter((argument) => argument !== '--'),
  options: {
    seeds: { type: 'string', default: '2000' },
    from: { type: 'string', default: '1' },
    replay: { type: 'string' },
  },
})

if (values.replay !== undefined) {
  const report = await simulateOutbox({
    seed: Number(values.replay),
    log: (line) => console.log(line),
  })
  console.log(JSON.stringify(report))
  process.exitCode = report.ok ? 0 : 1
} else {
  let done = 0
  const { seeds, accepted, lost, reordered, duplicated, troubles, failed } = await runSeeds({
    seeds: Number(values.seeds),
    from: Number(values.from),
    onReport() {
      done += 1
      if (done % 1_000 === 0) process.stderr.write(`${done} seeds\n`)
    },
  })
  console.log(`troubles: ${JSON.stringify(troubles)}`)
  for (const { seed } of failed)
    console.log(`seed ${seed} broke a promise; replay: pnpm simulate --replay ${seed}`)
  console.log(
    `seeds=${seeds} accepted=${accepted} lost=${lost} reordered=${reordered} duplicated=${duplicated} failed=${failed.length}`,
  )
  if (failed.length > 0 || accepted === 0) process.exitCode = 1
}
