import { checkDrafts, checkNote, type Decision } from '@fhir-outbox/queue-core'
import { forgetOld } from './append.js'
import { MalformedRecord } from './bytes.js'
import { quarantine } from './quarantine.js'
import { readBaseAt } from './read.js'
import { type Base, DECIDE, writeDecision } from './records.js'
import { DamagedRecord } from './segment-files.js'
import { exclusively, requireOpen, type Store } from './store.js'

/** As `QueueStorage.decide`. */
export async function decide(store: Store, sequence: number, decision: Decision): Promise<void> {
  requireOpen(store)
  const note = decision.note.slice()
  checkNote(note)
  if (decision.kind !== 'redrive' || (decision.payload === undefined && decision.header === undefined)) {
    await exclusively(store, sequence, () => decidePlainly(store, sequence, decision.kind, note))
  } else {
    const header = decision.header?.slice()
    const payload = decision.payload?.slice()
    const empty = new Uint8Array(0)
    // A corrected entry must be as valid as a new one.
    checkDrafts([{ lane: '', gate: '', key: '-', header: header ?? empty, payload: payload ?? empty }], 0)
    try {
      await exclusively(store, sequence, () => correct(store, sequence, note, header, payload))
    } catch (error) {
      if (error instanceof DamagedRecord || error instanceof MalformedRecord) {
        await quarantine(store, sequence)
        store.catalog.index.checkDecision(sequence, 'redrive', store.clock())
      }
      throw error
    }
  }
  store.notify()
  store.tidy()
}

async function decidePlainly(
  store: Store,
  sequence: number,
  kind: Decision['kind'],
  note: Uint8Array,
): Promise<void> {
  const { catalog, writer } = store
  writer.check()
  const now = store.clock()
  catalog.index.decide(sequence, kind, now)
  const extra = catalog.extra(sequence, catalog.index.entry(sequence, now)?.lane ?? '')
  extra.noteAt = undefined
  extra.noteBytes = note
  if (kind !== 'redrive') catalog.settled(sequence, kind === 'assume-delivered', now)
  writer.push({
    type: DECIDE,
    sequence,
    at: now,
    meta: (into) => writeDecision(into, kind, note, undefined),
    written: (location) => noteWritten(store, sequence, note, location),
  })
  forgetOld(store, now)
  await writer.sync()
}

/** Once the frame with a note is in the file, its place is enough. */
function noteWritten(store: Store, sequence: number, note: Uint8Array, location: number): void {
  const extra = store.catalog.extras.get(sequence)
  if (extra === undefined || extra.noteBytes !== note) return
  extra.noteBytes = undefined
  extra.noteAt = location
}

/** Redrive with another content: the decision's record becomes the record of the entry. */
async function correct(
  store: Store,
  sequence: number,
  note: Uint8Array,
  header: Uint8Array | undefined,
  payload: Uint8Array | undefined,
): Promise<void> {
  const { catalog, writer, files } = store
  writer.check()
  catalog.index.checkDecision(sequence, 'redrive', store.clock())
  const before = catalog.index.entry(sequence, store.clock())
  if (before === undefined) return
  const needsOld = payload === undefined
  const old = await readBaseAt(files.reader(), before.location, before.payloadBytes + 4096, needsOld)
  writer.check()
  // Nobody else decides meanwhile, and dead entries change by decisions only; yet ask again before writing.
  catalog.index.checkDecision(sequence, 'redrive', store.clock())
  const base: Base = { ...old.base, ...(header === undefined ? {} : { header }) }
  const data = payload ?? old.payload
  const now = store.clock()
  writer.push({
    type: DECIDE,
    sequence,
    at: now,
    meta: (into) => writeDecision(into, 'redrive', note, base),
    data,
    written: (location) => {
      catalog.moved(sequence, data.length, location, now)
      catalog.index.decide(sequence, 'redrive', store.clock(), { payloadBytes: data.length, location })
      const extra = catalog.extra(sequence, base.lane)
      extra.noteBytes = undefined
      extra.noteAt = location
    },
  })
  await writer.sync()
}
