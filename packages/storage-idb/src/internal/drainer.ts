import type { Lease, LeaseRequest, NothingReady, Retention } from '@fhir-outbox/queue-core'
import { leaseLost, translated } from '../errors.js'
import { createCommits, type Commit, type Commits, type Latest } from './commits.js'
import { enter, forgetOld, leave, takeLease } from './drain.js'
import type { DrainRight } from './right.js'
import { getAll, getMeta, reading } from './requests.js'
import { abandon, loadDrain, takeOver, type Drain } from './take-over.js'

type Call<Result> = (commit: Commit) => Promise<Result>

/** The part of a handle that drains, if it does, and keeps its index in step with the database. */
export interface Drainer {
  readonly commits: Commits
  /** There may be something that the index does not know. */
  outdate(): void
  /** The index is wrong, or of no use any more; its leases go with it. */
  drop(): void
  lease(request: LeaseRequest): Promise<Lease | NothingReady>
  /** A call on a lease, which is lost when the index is. */
  onLease<Result>(run: (commit: Commit, drain: Drain) => Promise<Result> | Result): Call<Result>
  /** A call that any handle may make. */
  onQueue<Result>(run: (commit: Commit, drain: Drain | undefined) => Promise<Result> | Result): Call<Result>
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

  const commits = createCommits({
    database,
    latest: options.latest,
    now,
    finish: (commit) => leave(commit, drain),
    failed: drop,
  })

  async function current(commit: Commit): Promise<Drain | undefined> {
    const known = drain
    outdated = false
    return known !== undefined && (await enter(commit, known)) ? known : undefined
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
        const early = !outdated && options.hears ? drain?.index.lease(request, now(0)) : undefined
        if (early !== undefined && !('sequences' in early)) return early
        if (early !== undefined) drain?.early.add(early.id)
        const answer = await commits.submit({
          strict: false,
          async run(commit) {
            const draining = await current(commit)
            if (draining === undefined) return undefined
            await forgetOld(commit, draining, retention)
            return await takeLease(commit, draining, request, early)
          },
        })
        if (answer !== undefined) return answer
        drop()
      }
    },
    onLease: (run) => async (commit) => {
      const draining = right.held() ? await current(commit) : undefined
      if (draining === undefined) throw leaseLost()
      return await run(commit, draining)
    },
    onQueue: (run) => async (commit) => await run(commit, await current(commit)),
    async tidy() {
      const transaction = reading(database)
      const [meta, leases] = await Promise.all([getMeta(transaction), getAll(transaction, 'leases')])
      now(meta?.clock ?? 0)
      if (leases.length === 0) return
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
