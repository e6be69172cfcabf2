import {
  leaseLost,
  type AttemptNote,
  type Lease,
  type LeaseRequest,
  type NothingReady,
  type Retention,
  type Settlement,
} from '@fhir-outbox/queue-core'
import { translated } from '../errors.js'
import { createCommits, type Commit, type Commits, type Latest, type Operation } from './commits.js'
import {
  counted,
  enter,
  forgetOld,
  markEntries,
  entriesOf,
  renewLease,
  settleAll,
  takeLease,
} from './drain.js'
import type { DrainRight } from './right.js'
import { getAll, getMeta, reading } from './requests.js'
import { fetchPages } from './records.js'
import { abandon, drainsUntil, loadDrain, takeOver, type Drain } from './take-over.js'

/** The part of a handle that drains, if it does, and keeps its index in step with the database. */
export interface Drainer {
  readonly commits: Commits
  /** There may be something that the index does not know. */
  outdate(): void
  /** The index is wrong, or of no use any more; its leases go with it. */
  drop(): void
  lease(request: LeaseRequest): Promise<Lease | NothingReady>
  /** Calls on a lease, which is lost when the index is. */
  mark(held: Lease, notes: readonly AttemptNote[]): Operation<void>
  renew(held: Lease, ttlMs: number): Operation<void>
  settle(held: Lease, settlements: readonly Settlement[]): Operation<void>
  /** A call that any handle may make. */
  onQueue(run: (commit: Commit, drain: Drain | undefined) => Promise<void> | void): Operation<void>
  /** On open: the leases of a drainer that is gone, if nobody has taken over, so that their marks are known of. */
  tidy(): Promise<void>
  /** Gives up what this handle holds, for the next one to go on at once. */
  handOver(): Promise<void>
}

export interface DrainerOptions {
  readonly database: IDBDatabase
  readonly latest: Latest
  /** Of the handle. */
  readonly id: string
  readonly right: DrainRight
  readonly retention: Retention
  /** The storage's clock, not before the latest time that anybody saw. */
  readonly now: (seen: number) => number
  /** Throws when the handle is closed. */
  readonly alive: () => void
  /** Whether other handles can be heard; else only the database tells. */
  readonly hears: boolean
}

export function createDrainer(options: DrainerOptions): Drainer {
  const { database, id, right, retention, now, alive } = options
  let drain: Drain | undefined
  let outdated = true
  let loading: Promise<NothingReady | undefined> | undefined

  function drop(): void {
    drain = undefined
  }

  /** What a lease of this handle leaves unknown when it runs out is for a commit to find out, which counts it. */
  function lapsed(time: number): boolean {
    return Array.from(drain?.held.values() ?? []).some(({ row }) => row.expiresAt <= time)
  }

  const commits = createCommits({
    database,
    latest: options.latest,
    now,
    finish({ meta, now: time }) {
      if (drain?.generation !== meta.generation || meta.drainer === undefined) return
      meta.drainer = { id: meta.drainer.id, until: drainsUntil(time, drain.held.values()) }
    },
    failed: drop,
  })

  async function current(commit: Commit): Promise<Drain | undefined> {
    const known = drain
    outdated = false
    return known !== undefined && (await enter(commit, known)) ? known : undefined
  }

  function onLease(run: (commit: Commit, draining: Drain) => Promise<void> | void): Operation<void>['run'] {
    return async (commit) => {
      const draining = right.held() ? await current(commit) : undefined
      if (draining === undefined) throw leaseLost()
      await counted(commit, draining, () => run(commit, draining))
    }
  }

  async function load(): Promise<NothingReady | undefined> {
    const taken = await commits.submit({
      strict: false,
      // The right may have gone meanwhile: whoever has it must not be fenced out.
      run: (commit) => (right.held() ? takeOver(commit, id, right.proven) : undefined),
    })
    if (taken === undefined || !('generation' in taken)) return taken
    try {
      const loaded = await loadDrain(database, taken, now(taken.clock))
      if (right.held()) drain = loaded
    } catch (error) {
      throw translated(error)
    }
    return undefined
  }

  return {
    commits,
    outdate() {
      outdated = true
    },
    drop,
    async lease(request) {
      // Each turn ends in an answer, unless somebody wipes or takes over in that moment.
      for (;;) {
        alive()
        if (!(await right.acquire())) return { elsewhere: true }
        if (drain === undefined) {
          loading ??= load().finally(() => {
            loading = undefined
          })
          const refused = await loading
          if (refused !== undefined) return refused
        }
        // What the index does not have, a message or the next look will tell: no need to ask the database.
        const time = now(0)
        const early =
          !outdated && options.hears && !lapsed(time) ? drain?.index.lease(request, time) : undefined
        if (early !== undefined && !('sequences' in early)) return early
        if (early !== undefined) drain?.early.add(early.id)
        const expected = early !== undefined && drain !== undefined ? entriesOf(drain, early, time) : []
        const answer = await commits.submit({
          strict: false,
          prepare: ({ records }) => fetchPages(records, expected),
          async run(commit) {
            const draining = await current(commit)
            if (draining === undefined) return undefined
            return await counted(commit, draining, async () => {
              await forgetOld(commit, draining, retention)
              return await takeLease(commit, draining, request, early)
            })
          },
        })
        if (answer !== undefined) return answer
        drop()
      }
    },
    mark: (held, notes) => ({
      strict: true,
      run: onLease((commit, draining) => markEntries(commit, draining, held, notes)),
    }),
    renew: (held, ttlMs) => ({
      strict: false,
      run: onLease((commit, draining) => renewLease(commit, draining, held, ttlMs)),
    }),
    settle: (held, settlements) => ({
      strict: true,
      prepare: ({ records }) => records.states.fetch([...(drain?.held.get(held.id)?.lengths.keys() ?? [])]),
      run: onLease((commit, draining) => settleAll(commit, draining, held, settlements, retention)),
    }),
    onQueue: (run) => ({
      strict: true,
      async run(commit) {
        const draining = await current(commit)
        // Meanwhile nothing is leased from the index behind its back: it has yet to learn what is decided here.
        outdated = true
        await run(commit, draining)
      },
    }),
    async tidy() {
      const transaction = reading(database)
      const [meta, leases] = await Promise.all([getMeta(transaction), getAll(transaction, 'leases')])
      now(meta?.clock ?? 0)
      if (leases.length === 0) return
      try {
        await right.whenFree(() =>
          commits.submit({
            strict: false,
            async run(commit) {
              const { drainer } = commit.meta
              if (!right.proven && drainer !== undefined && drainer.until > commit.now) return
              await abandon(commit, await getAll(commit.transaction, 'leases'))
              commit.meta.generation++
            },
          }),
        )
      } catch {
        // There may be no room to write. Whoever takes over has to do it, and until then one can read at least.
      }
    },
    async handOver() {
      if (drain === undefined) return
      await commits.submit({
        strict: true,
        async run(commit) {
          const draining = await current(commit)
          if (draining === undefined) return
          await abandon(
            commit,
            Array.from(draining.held.values(), ({ row }) => row),
          )
          draining.held.clear()
          commit.meta.generation++
          commit.meta.drainer = undefined
        },
      })
      drop()
    },
  }
}
