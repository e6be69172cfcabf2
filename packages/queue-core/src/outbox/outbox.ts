import { QueueError } from '../errors.js'
import { checkDecision, storageLimits } from '../validate.js'
import type { Appended, Decision, EntryDraft, EntrySummary } from '../storage-port.js'
import { decisionFor } from './decisions.js'
import { outboxDefaults } from './defaults.js'
import { defaultEnvironment } from './environment.js'
import { createEmitter, isDeadLetter, type OutboxEvent } from './events.js'
import { abortError, stopped } from './failures.js'
import { createFlushes } from './flushes.js'
import { gateKeeper } from './gates.js'
import { createScheduler } from './scheduler.js'
import { settledWaits } from './settled.js'
import { wipeStorage } from './wipe.js'
import type {
  DecidedBy,
  Outbox,
  OutboxListQuery,
  OutboxOptions,
  RedriveOptions,
  WaitOptions,
} from './types.js'

/** Whether whoever waits for the entry should look at it. */
function endsWait(event: OutboxEvent): event is OutboxEvent & { readonly sequence: number } {
  const { type } = event
  return type === 'delivered' || type === 'set-aside' || isDeadLetter(event)
}

function checkHeaders(drafts: readonly EntryDraft[]): void {
  const { headerBytes } = storageLimits
  // Whether they are bytes at all is for the storage to say.
  if (!drafts.some(({ header }) => header instanceof Uint8Array && header.length > headerBytes)) return
  throw new QueueError('ERR_INVALID_ENTRY', `header is longer than ${headerBytes} bytes`, {
    hint: 'Correct the call; nothing was stored.',
  })
}

/** Without members that are `undefined`, as settings from files and flags have them: they must not hide a default. */
function given<Options extends object>(options: Options = {} as Options): Options {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as Options
}

/**
 * An outbox over a storage and a transport. Does nothing until it is asked: `start` delivers in the
 * background, `flush` once. Closing it closes the storage.
 *
 * @example
 * const outbox = openOutbox({ storage, transport })
 * outbox.start()
 * const { sequence } = await outbox.enqueue(draft)
 * await outbox.settled(sequence)
 */
export function openOutbox(options: OutboxOptions): Outbox {
  const { storage, transport, receipts = true } = options
  const { appenders, drainers } = storage.supports
  /** Others may settle what somebody here waits for. */
  const shared = appenders === 'many' || drainers === 'many'
  const defaults = { ...outboxDefaults(), ...given(options.defaults) }
  const environment = { ...defaultEnvironment(), ...given(options.environment) }
  const emitter = createEmitter()
  const gates = gateKeeper(defaults, environment)
  const waits = settledWaits(storage, watchWhileWanted)
  const flushes = createFlushes(storage, gates)
  let running = false
  let closing: Promise<void> | undefined
  let unwatch: (() => void) | undefined
  let busy = false

  function emit(event: OutboxEvent): void {
    if (event.type === 'leased') busy = true
    if (endsWait(event)) waits.check(event.sequence)
    flushes.notice(event)
    emitter.emit(event)
  }

  const scheduler = createScheduler({
    storage,
    transport,
    defaults,
    environment,
    gates,
    ttlMs: options.ttlMs,
    receipts,
    emit,
    wanted: () => running || flushes.running(),
    idle(elsewhere) {
      // Stopping leaves things undone; only whoever goes on can say that nothing is left to do.
      if (busy && (running || flushes.running())) emit({ type: 'drained' })
      busy = false
      flushes.idle(elsewhere)
      watchWhileWanted()
    },
    failed(error) {
      flushes.fail(error)
      watchWhileWanted()
    },
  })

  function watchWhileWanted(): void {
    const wanted = running || flushes.running() || (shared && waits.any())
    if (wanted && unwatch === undefined) {
      unwatch = storage.watch(() => {
        if (shared) waits.check()
        scheduler.kick()
      })
    } else if (!wanted) {
      unwatch?.()
      unwatch = undefined
    }
  }

  function alive(): void {
    if (closing !== undefined) throw stopped()
  }

  const now = (): string => new Date(environment.wallClock()).toISOString()

  async function decide(
    sequence: number,
    kind: Decision['kind'],
    by: DecidedBy & Partial<RedriveOptions>,
  ): Promise<void> {
    alive()
    const decision = await decisionFor(storage, sequence, kind, by, now())
    // As with `append`: adapters grant more than callers may hand in.
    checkDecision(decision, storageLimits)
    await storage.decide(sequence, decision)
    emit({ type: 'decided', sequence, decision: kind })
    waits.check(sequence)
    scheduler.kick()
  }

  async function append(
    drafts: readonly EntryDraft[],
    signal: AbortSignal | undefined,
  ): Promise<readonly Appended[]> {
    alive()
    if (signal?.aborted === true) throw abortError()
    // Adapters grant more to sealed headers; what callers may hand in is the same everywhere.
    checkHeaders(drafts)
    const appended = await storage.append(drafts)
    for (const [at, { sequence, duplicate }] of appended.entries()) {
      emit({ type: 'enqueued', sequence, lane: drafts[at]?.lane ?? '', duplicate })
    }
    scheduler.kick()
    return appended
  }

  function isMany(drafts: EntryDraft | readonly EntryDraft[]): drafts is readonly EntryDraft[] {
    return Array.isArray(drafts)
  }

  async function* pages(query: OutboxListQuery): AsyncGenerator<EntrySummary> {
    const { pageSize = 100, ...rest } = query
    if (!(Number.isInteger(pageSize) && pageSize > 0)) {
      throw new QueueError('ERR_INVALID_ENTRY', 'pageSize is not a positive integer', {
        hint: 'Leave it out, or read at least one entry at a time.',
      })
    }
    let { after = 0 } = query
    for (;;) {
      alive()
      const page = await storage.list({ ...rest, after, limit: pageSize })
      yield* page
      const last = page.at(-1)
      if (last === undefined) return
      after = last.sequence
    }
  }

  async function halt(): Promise<void> {
    running = false
    flushes.fail(stopped())
    watchWhileWanted()
    await scheduler.halt()
  }

  function enqueue(draft: EntryDraft, options?: WaitOptions): Promise<Appended>
  function enqueue(drafts: readonly EntryDraft[], options?: WaitOptions): Promise<readonly Appended[]>
  async function enqueue(
    drafts: EntryDraft | readonly EntryDraft[],
    { signal }: WaitOptions = {},
  ): Promise<Appended | readonly Appended[] | undefined> {
    if (isMany(drafts)) return await append(drafts, signal)
    return (await append([drafts], signal))[0]
  }

  const outbox: Outbox = {
    storage,
    enqueue,
    async settled(sequence, { signal } = {}) {
      alive()
      return await waits.wait(sequence, signal)
    },
    async flush(flushOptions = {}) {
      alive()
      const flushing = flushes.join(flushOptions, () => {
        watchWhileWanted()
        scheduler.kick()
      })
      return await flushing
    },
    start() {
      alive()
      running = true
      watchWhileWanted()
      scheduler.kick()
    },
    async stop({ drain = false, signal } = {}) {
      if (closing !== undefined) return await closing
      try {
        if (drain) await outbox.flush(signal === undefined ? {} : { signal })
      } finally {
        await halt()
      }
    },
    close() {
      closing ??= (async () => {
        await halt()
        waits.end()
        await storage.close()
      })()
      return closing
    },
    async stats() {
      alive()
      return await storage.stats()
    },
    list: (query = {}) => pages(query),
    async read(sequence) {
      alive()
      return await storage.read(sequence)
    },
    redrive: (sequence, by) => decide(sequence, 'redrive', by),
    discard: (sequence, by) => decide(sequence, 'discard', by),
    assumeDelivered: (sequence, by) => decide(sequence, 'assume-delivered', by),
    withdraw: (sequence, by) => decide(sequence, 'withdraw', by),
    async wipe(by) {
      alive()
      const wasRunning = running
      await halt()
      try {
        const record = await wipeStorage(storage, by, now())
        emit({ type: 'wiped', record })
        return record
      } finally {
        waits.check()
        if (wasRunning && closing === undefined) outbox.start()
      }
    },
    gates: () => gates.status(),
    nudge(gate) {
      gates.hurry(gate)
      scheduler.kick()
    },
    subscribe: (listener) => emitter.subscribe(listener),
  }
  return outbox
}
