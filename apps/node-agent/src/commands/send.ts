import { readFile } from 'node:fs/promises'
import { text } from 'node:stream/consumers'
import type { DataQueue, Enqueued } from '@fhir-outbox/data-queue'
import { AgentError } from '../agent-error.js'
import type { Settings } from '../config/load.js'
import { dropFile, dropFolderOf } from '../drop-folder.js'
import { exitCodes, type ExitCode } from '../exit-codes.js'
import { acceptUnits, previewUnit, writesOf, type UnitWrite } from '../input/accept.js'
import { readUnits } from '../input/units.js'
import { report, type Console } from '../output/console.js'
import { reportDelivery } from '../output/delivery.js'
import { progressBar } from '../output/progress.js'
import { deliver } from '../queue/deliver.js'
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
  const preview = await openPreview(settings)
  try {
    // Everything is looked at before anything is accepted.
    for (const { writes } of inputs) {
      for (const write of writes) {
        const seen = await previewUnit(preview, write)
        if (!options.dryRun) continue
        const { method, url, plan, lane, encrypted } = seen
        report(
          console,
          'preview',
          { source: write.unit.source, key: write.key, method, url, plan: plan.name, lane, encrypted },
          `${method} ${url}  plan ${plan.name}  lane ${lane}  ${encrypted ? 'encrypted' : 'in clear'}  (${write.unit.source})`,
        )
      }
    }
  } finally {
    await preview.close()
  }
  if (options.dryRun) return exitCodes.ok

  let queue: DataQueue
  try {
    queue = await openQueue(settings)
  } catch (error) {
    if ((error as { code?: unknown }).code !== 'ERR_STORAGE_LOCKED') throw error
    return handOver(settings, inputs, console)
  }
  try {
    const accepted: Enqueued[] = []
    for (const { writes } of inputs) accepted.push(...(await acceptUnits(queue, writes)))
    const added = accepted.filter(({ duplicate }) => !duplicate)
    report(
      console,
      'accepted',
      { accepted: added.length, known: accepted.length - added.length },
      `${added.length} accepted${added.length === accepted.length ? '' : `, ${accepted.length - added.length} known from before`}`,
    )
    const progress = progressBar(console, 'Delivering')
    const delivery = await deliver(queue, {
      sequences: new Set(added.map(({ sequence }) => sequence)),
      waitMs: options.waitSeconds * 1_000,
      signal: options.signal,
      onProgress: progress.update,
    }).finally(progress.stop)
    return reportDelivery(console, delivery)
  } finally {
    await queue.close()
  }
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
      `${name}: handed to the running agent (${writes.length} to deliver)`,
    )
  }
  return exitCodes.ok
}

async function readInputs(settings: Settings, options: SendOptions): Promise<readonly Input[]> {
  const inputs: Input[] = []
  for (const file of options.files) {
    const name = file === '-' ? 'standard input' : file
    const content = file === '-' ? await text(options.stdin) : await readInput(file)
    inputs.push({ name, content, writes: writesOf(settings.server, readUnits(name, content)) })
  }
  return inputs
}

async function readInput(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8')
  } catch (cause) {
    throw new AgentError('ERR_UNREADABLE_FILE', `${file} cannot be read.`, {
      hint: 'Check the path and the permissions; "-" reads standard input.',
      cause,
    })
  }
}
