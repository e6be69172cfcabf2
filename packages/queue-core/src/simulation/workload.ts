import { encodeText } from '../internal/bytes.js'
import type { Outbox } from '../outbox/types.js'
import type { EntryDraft } from '../storage-port.js'
import type { Judge } from './judge.js'
import type { SeededRandom } from '../internal/random.js'

/** One entry that somebody wants delivered. */
export interface Wish {
  readonly key: string
  readonly lane: string
  readonly gate: string
  /** Keys of entries that must be delivered before. */
  readonly after: readonly string[]
  readonly content: string
}

/** Entries in a few lanes and for a few destinations, some of them after others. */
export function makeWishes(random: SeededRandom, count: number): Wish[] {
  const lanes = random.between(1, 4)
  const gates = random.between(1, 2)
  const wishes: Wish[] = []
  for (let number = 0; number < count; number++) {
    const lane = random.between(1, lanes)
    const blocker = random.chance(0.15) ? random.pick(wishes) : undefined
    wishes.push({
      key: random.uuid(),
      lane: `lane ${lane}`,
      gate: `gate ${lane % gates}`,
      after: blocker === undefined ? [] : [blocker.key],
      content: `content ${number}`,
    })
  }
  return wishes
}

/** Appends wishes, as callers do who cannot know what a crash has swallowed: again, until they are told. */
export interface Producer {
  /** Offers what is next; nothing happens when all is accepted. */
  offer(outbox: Outbox): Promise<void>
  readonly done: boolean
  /** Sequence of an accepted entry. */
  sequenceOf(key: string): number | undefined
}

export function createProducer(wishes: readonly Wish[], random: SeededRandom, judge: Judge): Producer {
  const accepted = new Map<string, number>()
  let next = 0

  function draftOf(wish: Wish): EntryDraft {
    const after = wish.after.map((key) => accepted.get(key)).filter((one) => one !== undefined)
    const { key, lane, gate, content } = wish
    const header = new Uint8Array(0)
    const draft = { key, lane, gate, header, payload: encodeText(content), once: true }
    return after.length === 0 ? draft : { ...draft, after }
  }

  return {
    async offer(outbox) {
      const from = next
      const chosen = wishes.slice(from, from + random.between(1, 3))
      // An entry can only be after what is accepted already.
      const ready = chosen.findIndex(({ after }) => after.some((key) => !accepted.has(key)))
      const group = ready === -1 ? chosen : chosen.slice(0, Math.max(1, ready))
      if (group.length === 0) return
      for (const wish of group) judge.offered(wish.key, wish)
      const appended = await outbox.enqueue(group.map(draftOf))
      for (const [position, { sequence }] of appended.entries()) {
        const wish = group[position]
        if (wish === undefined) continue
        judge.accepted(wish.key, sequence)
        accepted.set(wish.key, sequence)
      }
      next = Math.max(next, from + group.length)
    },
    get done() {
      return next >= wishes.length
    },
    sequenceOf: (key) => accepted.get(key),
  }
}
