import pino, { type Logger } from 'pino'
import type { DataQueue } from '@fhir-outbox/data-queue'
import type { Failure } from '@fhir-outbox/queue-core'
import type { Settings } from '../config/load.js'
import { dropFolderOf, watchDropFolder } from '../drop-folder.js'
import { exitCodes, type ExitCode } from '../exit-codes.js'
import { makeDirectory } from '../make-directory.js'
import { describeError, report, type Console } from '../output/console.js'
import { age } from '../output/entry.js'
import { narrate } from '../output/narrator.js'
import { takingInto } from '../queue/dropped.js'
import { openQueue } from '../queue/open.js'

/** How soon a queue whose disk has failed is opened again: each time twice as late, until it has worked for a while. */
const retryMs = { first: 1_000, most: 60_000 } as const

interface Surroundings {
  readonly settings: Settings
  readonly console: Console
  readonly signal: AbortSignal
  readonly log: Logger
}

/**
 * Delivers until it is told to stop. Logs to standard error; results as JSON lines with `--json`. A queue that cannot
 * be opened at the start ends the command; one whose disk fails later is opened again, for nobody is watching.
 */
export async function run(settings: Settings, console: Console, signal: AbortSignal): Promise<ExitCode> {
  const log = pino({ name: 'fhir-outbox', base: null }, console.err)
  const around = { settings, console, signal, log }
  const nextWait = waits()
  let queue: DataQueue | undefined = await openQueue(settings)
  while (queue !== undefined) {
    const failure = await deliverFrom(queue, around)
    queue = failure === undefined ? undefined : await openAgain(failure, nextWait, around)
  }
  report(console, 'stopped', {}, 'Stopped; what waits is kept.')
  return exitCodes.ok
}

/** Resolves when it was told to stop; or with the error of a storage that only helps when it is opened again. */
async function deliverFrom(queue: DataQueue, around: Surroundings): Promise<unknown> {
  const { console, signal, log } = around
  const broken = new AbortController()
  const narrator = narrate(queue, console, log)
  const unsubscribe = queue.subscribe((event) => {
    narrator.listener(event)
    if (event.type === 'storage-failed' && isBroken(event.failure)) broken.abort(event.failure)
  })
  try {
    await deliverUntil(AbortSignal.any([signal, broken.signal]), queue, around, (error) => {
      if (isBroken(describeError(error))) broken.abort(error)
    })
  } finally {
    await queue.stop()
    unsubscribe()
    await narrator.finished()
    await queue.close().catch((error: unknown) => {
      // What it could not write was never acknowledged; the next one to open it says what is wrong.
      if (!broken.signal.aborted) throw error
    })
  }
  return signal.aborted ? undefined : broken.signal.reason
}

function isBroken({ code }: { readonly code: string }): boolean {
  return code === 'ERR_STORAGE_FAILED' || code === 'ERR_STORAGE_CLOSED'
}

/** Tries until the queue is open, or `undefined` when it is told to stop. */
async function openAgain(
  failure: unknown,
  nextWait: () => number,
  around: Surroundings,
): Promise<DataQueue | undefined> {
  const { settings, console, signal, log } = around
  let cause = failure
  for (;;) {
    const waitMs = nextWait()
    const { code, message, hint } = wordsOf(cause)
    log.error({ code, retryInMs: waitMs }, 'storage failed')
    report(
      console,
      'storage-failed',
      { code, retryInMs: waitMs },
      `${message}: the queue is opened again in ${age(waitMs)}.${hint === '' ? '' : `\n  ${hint}`}`,
    )
    await pause(waitMs, settings, signal)
    if (signal.aborted) return undefined
    try {
      return await openQueue(settings)
    } catch (error) {
      cause = error
    }
  }
}

function waits(): () => number {
  let waitMs = 0
  let askedAt = -Infinity
  return () => {
    const now = performance.now()
    const workedFor = now - askedAt - waitMs
    waitMs = workedFor > retryMs.most ? retryMs.first : Math.min(2 * waitMs, retryMs.most)
    askedAt = now
    return waitMs
  }
}

/** A failure that an event told is no `Error`, and has no hint. */
function wordsOf(cause: unknown): { readonly code: string; readonly message: string; readonly hint: string } {
  const { code, message, hint } =
    cause instanceof Error
      ? describeError(cause)
      : { hint: '', ...(cause as Pick<Failure, 'code' | 'message'>) }
  return {
    code,
    message: message.replace(/\.$/, ''),
    // Opening it again is done here; the rest is for a person.
    hint: isBroken({ code }) ? 'Look whether the disk is full or failing.' : hint,
  }
}

async function deliverUntil(
  signal: AbortSignal,
  queue: DataQueue,
  { settings, console, log }: Surroundings,
  failed: (error: unknown) => void,
): Promise<void> {
  const stats = await queue.stats()
  const drop = dropFolderOf(settings)
  // Whoever is told about it may use it at once.
  await makeDirectory(drop)
  report(
    console,
    'opened',
    { ...stats, drop },
    `Delivering to ${settings.server}; ${stats.waiting} waiting. Drop files into ${drop}. Ctrl-C stops.`,
  )
  let lastTrouble = ''
  const stopWatching = await watchDropFolder({
    ...takingInto(queue, settings, console),
    onRefused(name, error) {
      const { code, message } = describeError(error)
      log.error({ file: name, code }, 'file refused')
      report(console, 'file-refused', { file: name, code }, `${name} was refused: ${message}`)
    },
    onTrouble(name, error) {
      const { code } = describeError(error)
      // It is tried again every second, and must not fill the log.
      if (lastTrouble !== `${name} ${code}`) log.warn({ file: name, code }, 'file not taken yet')
      lastTrouble = `${name} ${code}`
      failed(error)
    },
  })
  try {
    queue.start()
    await aborted(signal)
  } finally {
    await stopWatching()
  }
}

/** Resolves after that time, or when it is told to stop. */
async function pause(ms: number, { clock }: Settings, signal: AbortSignal): Promise<void> {
  const setTimer = clock?.setTimer ?? startTimer
  let cancel = (): void => undefined
  await Promise.race([
    new Promise<void>((resolve) => {
      cancel = setTimer(resolve, ms)
    }),
    aborted(signal),
  ])
  cancel()
}

function startTimer(fn: () => void, ms: number): () => void {
  const timer = setTimeout(fn, ms)
  return () => clearTimeout(timer)
}

function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve()
  return new Promise((resolve) => {
    signal.addEventListener('abort', () => resolve(), { once: true })
  })
}
