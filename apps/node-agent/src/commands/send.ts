import type { DataQueue, Enqueued } from '@fhir-outbox/data-queue'
import type { Settings } from '../config/load.js'
import { dropFile, dropFolderOf } from '../drop-folder.js'
import { exitCodes, type ExitCode } from '../exit-codes.js'
import { previewUnit, writesOf, type UnitWrite } from '../input/accept.js'
import { textOfFile, textOfStream } from '../input/text.js'
import { readUnits } from '../input/units.js'
import { report, type Console } from '../output/console.js'
import { reportDelivery } from '../output/delivery.js'
import { localProgressBar, progressBar } from '../output/progress.js'
import { deliver } from '../queue/deliver.js'
import { acceptedWords, takeDropped } from '../queue/dropped.js'
import { openPreview, openQueue } from '../queue/open.js'

/** What `fhir-outbox send` was asked for. */
export interface SendOptions {
  /** Paths; `-` is standard input. */
  readonly files: readonly string[]
  readonly dryRun: boolean
  /** How long to try to deliver, in seconds; the rest stays queued. */
  readonly waitSeconds: number
  readonly stdin: NodeJS.ReadableStream
  readonly signal: AbortSignal
}

interface Input {
  readonly name: string
  readonly content: string
  readonly writes: readonly UnitWrite[]
}

export async function send(settings: Settings, options: SendOptions, console: Console): Promise<ExitCode> {
  const inputs = await readInputs(settings, options)
  await lookAtAll(settings, inputs, options.dryRun, console)
  if (options.dryRun) return exitCodes.ok

  let queue: DataQueue
  try {
    queue = await openQueue(settings)
  } catch (error) {
    if ((error as { code?: unknown }).code !== 'ERR_STORAGE_LOCKED') throw error
    return handOver(settings, inputs, console)
  }
  try {
    await takeDropped(queue, settings, console)
    // One append for all files: all are accepted, or none.
    const writes = inputs.flatMap((input) => input.writes)
    const storing = localProgressBar(console, 'Accepting', writes.length)
    const accepted = await queue.enqueueAll(writes).finally(storing.stop)
    const added = accepted.filter(({ duplicate }) => !duplicate).length
    const known = accepted.length - added
    report(console, 'accepted', { accepted: added, known }, acceptedWords(added, known))
    const progress = progressBar(console, 'Delivering')
    const delivery = await deliver(queue, {
      sequences: await unsettled(queue, accepted),
      waitMs: options.waitSeconds * 1_000,
      signal: options.signal,
      onProgress: progress.update,
    }).finally(progress.stop)
    return reportDelivery(console, delivery)
  } finally {
    await queue.close()
  }
}

/** Looks at everything before anything is accepted; shows what would be sent when it is only that. */
async function lookAtAll(
  settings: Settings,
  inputs: readonly Input[],
  dryRun: boolean,
  console: Console,
): Promise<void> {
  const all = inputs.flatMap(({ writes }) => writes)
  const preview = await openPreview(settings)
  const progress = localProgressBar(console, 'Checking', dryRun ? 0 : all.length)
  try {
    for (const [index, write] of all.entries()) {
      const { method, url, plan, lane, encrypted } = await previewUnit(preview, write)
      if (!dryRun) progress.update(index + 1, all.length)
      else
        report(
          console,
          'preview',
          { source: write.unit.source, key: write.key, method, url, plan: plan.name, lane, encrypted },
          `${method} ${url}  plan ${plan.name}  lane ${lane}  ${encrypted ? 'encrypted' : 'in clear'}  (${write.unit.source})`,
        )
    }
  } finally {
    progress.stop()
    await preview.close()
  }
}

/** What of this is still to be delivered: everything new, and what waits from an earlier time. */
async function unsettled(queue: DataQueue, accepted: readonly Enqueued[]): Promise<ReadonlySet<number>> {
  const sequences = new Set<number>()
  for (const { sequence, duplicate } of accepted) {
    const state = duplicate ? (await queue.outbox.read(sequence))?.state : 'waiting'
    if (state === 'waiting' || state === 'unknown') sequences.add(sequence)
  }
  return sequences
}

/** Another process owns the queue: give the input to it. */
async function handOver(settings: Settings, inputs: readonly Input[], console: Console): Promise<ExitCode> {
  const folder = dropFolderOf(settings)
  for (const { name, content, writes } of inputs) {
    await dropFile(folder, content)
    report(
      console,
      'handed-over',
      { source: name, units: writes.length },
      `${name}: handed to the process that owns the queue (${writes.length} to deliver)`,
    )
  }
  return exitCodes.ok
}

async function readInputs(settings: Settings, options: SendOptions): Promise<readonly Input[]> {
  const inputs: Input[] = []
  for (const file of options.files) {
    const name = file === '-' ? 'standard input' : file
    const content = file === '-' ? await textOfStream(name, options.stdin) : await textOfFile(file)
    inputs.push({ name, content, writes: writesOf(settings.server, readUnits(name, content)) })
  }
  return inputs
}
