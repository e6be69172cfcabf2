import { QueueError } from '@fhir-outbox/queue-core'
import { translated } from '../errors.js'
import type { Growing } from './append.js'
import { defined } from './defined.js'
import { recordsIn, type Records } from './records.js'
import { ended, getMeta, putMeta, writing, type Writing } from './requests.js'
import type { LaneRow, Meta } from './schema.js'

/** A transaction that writes. Inside of it nothing is awaited but its own requests. */
export interface Access {
  readonly transaction: Writing
  readonly records: Records
}

/** The same, with the counters as they will be after it. */
export interface Commit extends Access {
  readonly meta: Meta
  readonly now: number
  /** What the appends among its operations share. */
  growing?: Growing
}

/** One call of somebody. It must refuse (throw a `QueueError`) before it writes anything. */
export interface Operation<Result> {
  readonly strict: boolean
  /** About how much it writes. */
  readonly bytes?: number
  /** What can be read beforehand: that of all operations of a commit, and the counters, are asked for together. */
  readonly prepare?: (access: Access) => Promise<unknown>
  readonly run: (commit: Commit) => Promise<Result> | Result
}

/** Commits of one kind, one after the other; who waits meanwhile shares the next one. */
export interface Commits {
  submit<Result>(operation: Operation<Result>): Promise<Result>
  /** Resolves when nothing is under way. */
  idle(): Promise<void>
}

/** What the commits of a handle know of each other. */
export interface Latest {
  /** The counters after the last commit of this handle, unless another one has been heard of since. */
  meta: Meta | undefined
  /** Commits under way. */
  writing: number
}

export interface CommitsOptions {
  readonly database: IDBDatabase
  readonly latest: Latest
  /** The storage's clock, not before the latest time that anybody saw. */
  readonly now: (seen: number) => number
  /** Operations leave nothing behind when their commit fails, and may be run again in another one. */
  readonly repeatable?: boolean
  /** After the operations of a commit that will be tried. */
  readonly finish?: (commit: Commit) => void
  /** A commit failed after its operations had run: what they did in memory is not so. */
  readonly failed?: () => void
}

interface Waiting {
  readonly operation: Operation<unknown>
  resolve(result: unknown): void
  reject(error: unknown): void
}

/** More waits for the next commit: memory is not endless, and neither is patience. */
const groupBytes = 4 * 1024 * 1024
const groupSize = 1000

/** So many lanes are kept with the counters, where they cost nothing extra; what is there is newer than their records. */
const inlineLanes = 32

/** Counts what waits in a lane. */
export async function changeLane(
  { records, meta }: Commit,
  name: string,
  change: number,
  receiptHash?: Uint8Array,
): Promise<void> {
  const inline = meta.lanes.find((lane) => lane.name === name)
  const was = inline ?? (meta.spilled ? await records.lanes.get(name) : undefined) ?? { name, pending: 0 }
  const row: LaneRow = { ...was, pending: was.pending + change, ...defined({ receiptHash }) }
  meta.counts.lanes += Number(row.pending > 0) - Number(was.pending > 0)
  const others = meta.lanes.filter((lane) => lane !== inline)
  // The last hash stays: the chain of receipts goes on when the lane is used again.
  if (row.pending > 0 || row.receiptHash !== undefined) meta.lanes = [...others, row]
  else {
    meta.lanes = others
    if (meta.spilled) records.lanes.set(name, undefined)
  }
  const [oldest, ...rest] = meta.lanes
  if (oldest === undefined || rest.length < inlineLanes) return
  records.lanes.set(oldest.name, oldest)
  meta.lanes = rest
  meta.spilled = true
}

function copyOf(meta: Meta): Meta {
  return { ...meta, counts: { ...meta.counts } }
}

export function createCommits(options: CommitsOptions): Commits {
  const { database, latest, now, finish, failed } = options
  let waiting: Waiting[] = []
  let running: Promise<void> | undefined

  function takeGroup(): Waiting[] {
    let size = 0
    let bytes = 0
    while (size < waiting.length && size < groupSize) {
      bytes += waiting[size]?.operation.bytes ?? 0
      if (size > 0 && bytes > groupBytes) break
      size++
    }
    return waiting.splice(0, size)
  }

  /** `certain`: the counters are not out of date, so a refusal is one. */
  async function runAll(
    group: readonly Waiting[],
    commit: Commit,
    certain: boolean,
  ): Promise<(() => void)[]> {
    const answers: (() => void)[] = []
    for (const { operation, resolve, reject } of group) {
      try {
        const result = await operation.run(commit)
        answers.push(() => resolve(result))
      } catch (error) {
        if (!certain || !(error instanceof QueueError)) throw error
        answers.push(() => reject(error))
      }
    }
    return answers
  }

  /** `false`: with these counters it cannot be done. Without them it is done, or refused. */
  async function tryGroup(group: readonly Waiting[], known: Meta | undefined): Promise<boolean> {
    const strict = group.some(({ operation }) => operation.strict)
    const transaction = writing(database, strict ? 'strict' : 'relaxed')
    const end = ended(transaction)
    let failure: unknown
    let next: Meta | undefined
    let answers: readonly (() => void)[] = []
    try {
      const access = { transaction, records: recordsIn(transaction) }
      // Why it cannot be read, the transaction says.
      const reading = getMeta(transaction).catch(() => undefined)
      const preparing = Promise.all(group.map(({ operation }) => operation.prepare?.(access)))
      const [counters] = await Promise.all([known ?? reading, preparing])
      if (counters === undefined) throw new Error('the database has lost its counters')
      const meta = copyOf(counters)
      const commit: Commit = { ...access, meta, now: now(meta.clock) }
      answers = await runAll(group, commit, known === undefined)
      finish?.(commit)
      for (const store of Object.values(access.records)) store.flush(transaction)
      next = { ...meta, version: counters.version + 1, clock: commit.now }
      putMeta(transaction, next)
      if ((await reading)?.version !== counters.version) throw new Error('somebody else has committed')
      transaction.commit()
    } catch (error) {
      failure = error
      try {
        transaction.abort()
      } catch {
        // It has ended by itself.
      }
    }
    // The reason of the transaction says more than that of the request it was aborted under.
    const reason = await end
    latest.meta = undefined
    if (failure === undefined && reason === undefined) {
      latest.meta = next
      for (const tell of answers) tell()
      return true
    }
    if (known !== undefined) return false
    failed?.()
    const error = translated(
      reason instanceof Error && reason.name !== 'AbortError' ? reason : (failure ?? reason),
    )
    const full = error instanceof QueueError && error.code === 'ERR_QUEUE_FULL'
    // One that is too large must not take its neighbours with it.
    if (full && group.length > 1) for (const one of group) await commitGroup([one])
    else for (const { reject } of group) reject(error)
    return true
  }

  /**
   * To wait for the counters costs a round trip to the process of the database. They are known already when nobody
   * else has written since. They are read all the same, behind the back of what is written: if they are others, the
   * transaction is given up as a whole, and all is done again with what they are now.
   */
  async function commitGroup(group: readonly Waiting[]): Promise<void> {
    const known = options.repeatable === true && latest.writing === 0 ? latest.meta : undefined
    latest.writing++
    try {
      if (known === undefined || !(await tryGroup(group, known))) await tryGroup(group, undefined)
    } finally {
      latest.writing--
    }
  }

  async function loop(): Promise<void> {
    // Whoever calls in the same turn shares the first commit.
    await Promise.resolve()
    while (waiting.length > 0) {
      const group = takeGroup()
      try {
        await commitGroup(group)
      } catch (error) {
        // The transaction could not even begin.
        for (const { reject } of group) reject(translated(error))
      }
    }
    running = undefined
  }

  return {
    submit<Result>(operation: Operation<Result>) {
      return new Promise<Result>((resolve, reject) => {
        waiting.push({ operation, resolve: (result) => resolve(result as Result), reject })
        running ??= loop()
      })
    },
    async idle() {
      await running
    },
  }
}
