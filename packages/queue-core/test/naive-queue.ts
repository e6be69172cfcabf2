import type {
  AttemptNote,
  Decision,
  DeadReason,
  EntryState,
  QueueStats,
  Settlement,
} from '@fhir-outbox/queue-core'

/** The rules of the queue once more, as slow and plain as possible: every question is a scan over everything. */
interface Item {
  readonly sequence: number
  readonly lane: string
  readonly gate: string
  readonly after: readonly number[]
  readonly bytes: number
  state: EntryState
  deadReason: DeadReason | undefined
  attempts: number
  dueAt: number
  lease: NaiveLease | undefined
  group: string | undefined
  markOpen: boolean
  redriven: boolean
}

export interface NaiveLease {
  readonly lane: string
  readonly sequences: number[]
  expiresAt: number
}

export interface NaiveQueue {
  now: number
  add(lane: string, gate: string, after: readonly number[], bytes: number): number
  lease(limit: number, maxBytes: number, ttlMs: number, closed: readonly string[]): NaiveLease | undefined
  mark(lease: NaiveLease, notes: readonly AttemptNote[]): boolean
  settle(lease: NaiveLease, settlements: readonly Settlement[]): boolean
  decide(sequence: number, kind: Decision['kind']): boolean
  hurry(): void
  items(): readonly Item[]
  heldBy(item: Item): number | undefined
  stats(): QueueStats
}

/** Rules that can be left out, to see that whoever compares with this queue notices. */
export type NaiveRule =
  | 'due inside a run'
  | 'held inside a run'
  | 'gate inside a run'
  | 'state inside a run'
  | 'group inside a run'
  | 'bytes of a run'
  | 'turns'
  | 'fence'
  | 'order of redriven'

export function naiveQueue(without?: NaiveRule): NaiveQueue {
  const rule = (name: NaiveRule): boolean => without !== name
  const items: Item[] = []
  const lastLeased = new Map<string, number>()
  let tick = 0

  const find = (sequence: number): Item | undefined => items.find((item) => item.sequence === sequence)
  const pending = ({ state }: Item): boolean => state === 'waiting' || state === 'unknown'
  const waitsFor = (item: Item): number[] =>
    item.after.filter((sequence) => find(sequence)?.state !== 'delivered')

  function live(lease: NaiveLease): boolean {
    return items.some((item) => item.lease === lease)
  }

  function expire(): void {
    for (const item of items) {
      if (item.lease === undefined || item.lease.expiresAt > queue.now) continue
      item.lease = undefined
      if (item.markOpen) item.state = 'unknown'
      item.markOpen = false
    }
  }

  function runOf(lane: string, limit: number, maxBytes: number): Item[] {
    const all = items.filter((item) => item.lane === lane && pending(item))
    if (!rule('order of redriven')) all.sort((a, b) => Number(a.redriven) - Number(b.redriven))
    const [head] = all
    if (head === undefined || items.some((item) => item.lane === lane && item.lease !== undefined)) return []
    const run: Item[] = []
    let bytes = 0
    for (const item of all) {
      const inside = run.length > 0
      if (run.length === limit) break
      if (item.dueAt > queue.now && (!inside || rule('due inside a run'))) break
      if (waitsFor(item).length > 0 && (!inside || rule('held inside a run'))) break
      if (item.gate !== head.gate && rule('gate inside a run')) break
      if (item.state !== head.state && rule('state inside a run')) break
      if (inside && bytes + item.bytes > maxBytes && rule('bytes of a run')) break
      const stranger = item.group === undefined || item.group !== head.group
      if (inside && item.state === 'unknown' && stranger && rule('group inside a run')) break
      run.push(item)
      bytes += item.bytes
    }
    return run
  }

  const queue: NaiveQueue = {
    now: 0,
    items: () => {
      expire()
      return items
    },
    heldBy: (item) =>
      pending(item)
        ? item.after.find((sequence) =>
            ['dead', 'discarded', 'quarantined'].includes(find(sequence)?.state ?? ''),
          )
        : undefined,
    add(lane, gate, after, bytes) {
      const sequence = items.length + 1
      items.push({
        sequence,
        lane,
        gate,
        after,
        bytes,
        state: 'waiting',
        deadReason: undefined,
        attempts: 0,
        dueAt: 0,
        lease: undefined,
        group: undefined,
        markOpen: false,
        redriven: false,
      })
      return sequence
    },
    lease(limit, maxBytes, ttlMs, closed) {
      expire()
      const runs = [...new Set(items.map(({ lane }) => lane))]
        .map((lane) => ({ lane, run: runOf(lane, limit, maxBytes), turn: lastLeased.get(lane) ?? 0 }))
        .filter(({ run }) => run[0] !== undefined && !closed.includes(run[0].gate))
        .sort(
          (a, b) =>
            (rule('turns') ? a.turn - b.turn : 0) || (a.run[0]?.sequence ?? 0) - (b.run[0]?.sequence ?? 0),
        )
      const [first] = runs
      if (first === undefined) return undefined
      lastLeased.set(first.lane, ++tick)
      const lease = {
        lane: first.lane,
        sequences: first.run.map(({ sequence }) => sequence),
        expiresAt: queue.now + ttlMs,
      }
      for (const item of first.run) item.lease = lease
      return lease
    },
    mark(lease, notes) {
      expire()
      if (!live(lease) || notes.some(({ sequence }) => find(sequence)?.lease !== lease)) return false
      for (const { sequence, group } of notes) Object.assign(find(sequence) ?? {}, { group, markOpen: true })
      return true
    },
    settle(lease, settlements) {
      expire()
      const lost = !live(lease) || settlements.some(({ sequence }) => find(sequence)?.lease !== lease)
      if (lost && rule('fence')) return false
      for (const settlement of settlements) {
        const item = find(settlement.sequence)
        if (item === undefined) continue
        item.lease = undefined
        item.markOpen = false
        // What was marked matters no more once nothing is left to be sent.
        if (settlement.outcome === 'delivered') Object.assign(item, { state: 'delivered', group: undefined })
        else if (settlement.outcome === 'waiting' || settlement.outcome === 'unknown') {
          item.state = settlement.outcome
          item.dueAt = queue.now + settlement.delayMs
          if (settlement.spent) item.attempts++
          if (settlement.outcome === 'waiting') item.group = undefined
        } else {
          item.state = 'dead'
          item.deadReason = settlement.outcome
        }
      }
      return true
    },
    decide(sequence, kind) {
      expire()
      const item = find(sequence)
      const allowed =
        kind === 'withdraw' ? item?.state === 'waiting' && item.lease === undefined : item?.state === 'dead'
      if (item === undefined || !allowed) return false
      item.deadReason = undefined
      if (kind === 'redrive')
        Object.assign(item, { state: 'waiting', attempts: 0, dueAt: 0, group: undefined, redriven: true })
      else {
        Object.assign(item, {
          state: kind === 'assume-delivered' ? 'delivered' : 'discarded',
          group: undefined,
        })
      }
      return true
    },
    hurry() {
      for (const item of items) item.dueAt = 0
    },
    stats() {
      expire()
      const count = (condition: (item: Item) => boolean): number => items.filter(condition).length
      const waiting = items.filter(pending)
      const kept = items.filter((item) => pending(item) || item.state === 'dead')
      return {
        accepted: items.length,
        waiting: waiting.length,
        leased: count(({ lease }) => lease !== undefined),
        unknown: count(({ state }) => state === 'unknown'),
        held: count((item) => queue.heldBy(item) !== undefined),
        delivered: count(({ state }) => state === 'delivered'),
        dead: count(({ state }) => state === 'dead'),
        discarded: count(({ state }) => state === 'discarded'),
        quarantined: 0,
        bytes: kept.reduce((sum, { bytes }) => sum + bytes, 0),
        lanes: new Set(waiting.map(({ lane }) => lane)).size,
      }
    },
  }
  return queue
}
