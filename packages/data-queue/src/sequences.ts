import type { Outbox } from '@fhir-outbox/queue-core'

/** Finds entries by their key. */
export interface Sequences {
  remember(key: string, sequence: number): void
  /** Looks through what is stored when the entry is not one of the last: that costs a pass over the queue. */
  find(key: string): Promise<number | undefined>
}

const remembered = 10_000

export function createSequences(list: Outbox['list']): Sequences {
  const recent = new Map<string, number>()

  function remember(key: string, sequence: number): void {
    recent.delete(key)
    recent.set(key, sequence)
    if (recent.size <= remembered) return
    for (const oldest of recent.keys()) {
      recent.delete(oldest)
      break
    }
  }

  return {
    remember,
    async find(key) {
      const known = recent.get(key)
      if (known !== undefined) return known
      for await (const entry of list({ pageSize: 1000 })) {
        if (entry.key !== key) continue
        remember(key, entry.sequence)
        return entry.sequence
      }
      return undefined
    },
  }
}
