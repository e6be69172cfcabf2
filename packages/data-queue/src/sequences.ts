import type { Outbox } from '@fhir-outbox/queue-core'

/** Finds entries by their key. */
export interface Sequences {
  remember(key: string, sequence: number): void
  /** Looks through what is stored when the entry is not one of the last: that costs a pass over the queue. */
  find(key: string): Promise<number | undefined>
  /** Among the last ones only: for what may have nothing to do with the queue. Reads the queue once. */
  findRecent(key: string): Promise<number | undefined>
}

const remembered = 10_000

export function createSequences(list: Outbox['list']): Sequences {
  const recent = new Map<string, number>()
  let filling: Promise<void> | undefined

  function remember(key: string, sequence: number): void {
    recent.delete(key)
    recent.set(key, sequence)
    if (recent.size <= remembered) return
    for (const oldest of recent.keys()) {
      recent.delete(oldest)
      break
    }
  }

  async function fill(): Promise<void> {
    for await (const { key, sequence } of list({ pageSize: 1000 })) remember(key, sequence)
  }

  return {
    remember,
    async findRecent(key) {
      filling ??= fill().catch((error: unknown) => {
        filling = undefined
        throw error
      })
      await filling
      return recent.get(key)
    },
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
