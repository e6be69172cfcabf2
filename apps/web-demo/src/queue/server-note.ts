import type { QueueStorage } from '@fhir-outbox/queue-core'
import type { ServerChoice } from '../platform/server.js'

/** What the address of a page said about its server, for whoever delivers without a page. */
export interface ServerNote {
  readonly searchLagMs?: number
  /** Endpoint for envelopes. */
  readonly receiver?: string
}

const name = 'web-demo/server'

/** Reads what `keepServerNote` has kept. */
export function parseServerNote(bytes: Uint8Array | undefined): ServerNote {
  if (bytes === undefined) return {}
  try {
    const value: unknown = JSON.parse(new TextDecoder().decode(bytes))
    const { searchLagMs, receiver } = (value ?? {}) as Readonly<Record<string, unknown>>
    return {
      ...(typeof searchLagMs === 'number' ? { searchLagMs } : {}),
      ...(typeof receiver === 'string' ? { receiver } : {}),
    }
  } catch {
    return {}
  }
}

export async function readServerNote({ notes }: Pick<QueueStorage, 'notes'>): Promise<ServerNote> {
  return parseServerNote((await notes.get(name))?.bytes)
}

async function isNeeded(storage: Pick<QueueStorage, 'stats'>): Promise<boolean> {
  const { waiting, dead } = await storage.stats()
  return waiting + dead > 0
}

/**
 * Keeps what the address says, and resolves to what holds. A receiver stays known when an address leaves it out, and is
 * not replaced while anything is undelivered: envelopes may wait for it.
 */
export async function keepServerNote(
  storage: Pick<QueueStorage, 'notes' | 'stats'>,
  { searchLagMs, receiver }: Pick<ServerChoice, 'searchLagMs' | 'receiver'>,
): Promise<ServerNote> {
  const found = await storage.notes.get(name)
  const known = parseServerNote(found?.bytes).receiver
  const wanted = receiver?.endpoint ?? known
  const endpoint = known !== undefined && wanted !== known && (await isNeeded(storage)) ? known : wanted
  const note = {
    ...(searchLagMs === undefined ? {} : { searchLagMs }),
    ...(endpoint === undefined ? {} : { receiver: endpoint }),
  }
  const text = JSON.stringify(note)
  if (text === JSON.stringify(parseServerNote(found?.bytes))) return note
  // No room, or another tab was first: this page does without, and the next one keeps it.
  await storage.notes.put(name, new TextEncoder().encode(text), found?.version ?? 0).catch(() => undefined)
  return note
}
