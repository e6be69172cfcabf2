import {
  memoryStorage,
  openOutbox,
  type Entry,
  type EntrySummary,
  type Outbox,
  type QueueStorage,
  type Transport,
} from '@fhir-outbox/queue-core'
import { AgentError } from '../agent-error.js'
import type { Home } from '../config/load.js'
import { isMissing, openPicture, openStorage } from './open.js'

/** Never asked: an outbox that is only looked at delivers nothing. */
const noTransport: Transport = {
  async *deliver() {
    yield []
  },
  async *resolve() {
    yield []
  },
}

/** Looks at the queue, also beside the process that delivers from it. */
export async function withPicture<T>(home: Home, work: (outbox: Outbox) => Promise<T>): Promise<T> {
  return await withOutboxOver((await isMissing(home)) ? memoryStorage() : await openPicture(home), work)
}

/** Opens the queue to decide something, and closes it again. */
export async function withOutbox<T>(home: Home, work: (outbox: Outbox) => Promise<T>): Promise<T> {
  return await withOutboxOver((await isMissing(home)) ? memoryStorage() : await openStorage(home), work)
}

async function withOutboxOver<T>(storage: QueueStorage, work: (outbox: Outbox) => Promise<T>): Promise<T> {
  const outbox = openOutbox({ storage, transport: noTransport })
  try {
    return await work(outbox)
  } finally {
    await outbox.close()
  }
}

/** The entry with its content. Throws `ERR_NO_SUCH_ENTRY`. */
export async function readEntry(outbox: Outbox, sequence: number): Promise<Entry> {
  const entry = await outbox.read(sequence)
  if (entry !== undefined) return entry
  throw new AgentError('ERR_NO_SUCH_ENTRY', `There is no entry ${sequence}.`, {
    hint: 'fhir-outbox list shows the entries; settled ones are forgotten after 30 days.',
  })
}

/** At most so many entries, oldest first; of one state when it is given. */
export async function entriesOf(
  outbox: Outbox,
  state: EntrySummary['state'] | undefined,
  limit: number,
): Promise<readonly EntrySummary[]> {
  const entries: EntrySummary[] = []
  if (limit === 0) return entries
  for await (const entry of outbox.list(state === undefined ? {} : { state })) {
    entries.push(entry)
    if (entries.length >= limit) break
  }
  return entries
}
