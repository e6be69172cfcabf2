// `pnpm simulate --seeds N [--from S] [--of outbox|delivery]`: the outbox over simulated time, storage and network, then
// queue and delivery in front of a modelled FHIR server, one seed after the other.
import { parseArgs } from 'node:util'
import { runSeeds, simulateOutbox } from '@fhir-outbox/queue-core/simulation'
import { simulateDelivery, type DeliveryReport } from '../../packages/data-queue/test/model/simulation.js'

const { values } = parseArgs({
  args: process.argv.slice(2).filter((argument) => argument !== '--'),
  options: {
    seeds: { type: 'string', default: '2000' },
    from: { type: 'string', default: '1' },
    of: { type: 'string' },
    replay: { type: 'string' },
  },
})
if (values.of !== undefined && values.of !== 'outbox' && values.of !== 'delivery') {
  console.error('--of takes outbox or delivery; without it both are simulated.')
  process.exit(2)
}
const seeds = Number(values.seeds)
const from = Number(values.from)

function progress(done: number): void {
  if (done % 1_000 === 0) process.stderr.write(`${done} seeds\n`)
}

async function outbox(): Promise<boolean> {
  let done = 0
  const { accepted, lost, reordered, duplicated, troubles, failed } = await runSeeds({
    seeds,
    from,
    onReport: () => progress(++done),
  })
  console.log(`troubles: ${JSON.stringify(troubles)}`)
  for (const { seed } of failed)
    console.log(`seed ${seed} broke a promise; replay: pnpm simulate --of outbox --replay ${seed}`)
  console.log(
    `seeds=${seeds} accepted=${accepted} lost=${lost} reordered=${reordered} duplicated=${duplicated} failed=${failed.length}`,
  )
  return failed.length === 0 && accepted > 0
}

async function delivery(): Promise<boolean> {
  const troubles = new Map<string, number>()
  const sums = { accepted: 0, lost: 0, reordered: 0, duplicated: 0, parked: 0, crashes: 0 }
  const failed: DeliveryReport[] = []
  for (let seed = from; seed < from + seeds; seed++) {
    const report = await simulateDelivery({ seed })
    for (const name of Object.keys(sums) as (keyof typeof sums)[]) sums[name] += report[name]
    for (const [name, count] of Object.entries(report.troubles))
      troubles.set(name, (troubles.get(name) ?? 0) + count)
    if (!report.ok) failed.push(report)
    progress(seed - from + 1)
  }
  console.log(`troubles: ${JSON.stringify(Object.fromEntries(troubles))}`)
  for (const { seed } of failed)
    console.log(`seed ${seed} broke a promise; replay: pnpm simulate --of delivery --replay ${seed}`)
  const told = Object.entries(sums).map(([name, count]) => `${name}=${count}`)
  console.log(`delivery: seeds=${seeds} ${told.join(' ')} failed=${failed.length}`)
  return failed.length === 0 && sums.accepted > 0
}

/** Requests of processes that died in a simulation still have their deadlines of a minute of real time. */
function leave(holds: boolean): never {
  process.exit(holds ? 0 : 1)
}

if (values.replay !== undefined) {
  const seed = Number(values.replay)
  const log = (line: string): void => console.log(line)
  const report =
    values.of === 'delivery' ? await simulateDelivery({ seed, log }) : await simulateOutbox({ seed, log })
  console.log(JSON.stringify(report))
  leave(report.ok)
} else {
  const outboxHolds = values.of === 'delivery' || (await outbox())
  // Last: whoever reads only the last line of the outbox finds it with `--of outbox`.
  const deliveryHolds = values.of === 'outbox' || (await delivery())
  leave(outboxHolds && deliveryHolds)
}
