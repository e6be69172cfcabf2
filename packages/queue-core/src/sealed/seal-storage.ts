import { QueueError } from '../errors.js'
import { createInOrder } from '../internal/in-order.js'
import { storageClosed } from '../refusals.js'
import type { AttemptNote, Decision, EntryDraft, Lease, QueueStorage, Settlement } from '../storage-port.js'
import {
  checkDecision,
  checkDrafts,
  checkLeaseRequest,
  checkMarks,
  checkNote,
  checkNoteName,
  storageLimits,
} from '../validate.js'
import { layFoundation, type Foundation } from './foundation.js'
import { leaseOpened } from './lease-opened.js'
import { openEntry, openSummary } from './open-entries.js'
import { sealedNotes, sealKept } from './named-notes.js'
import { openHead, openPayload, sealRecord } from './record.js'
import type { RecordCipher } from './record-cipher.js'
import { allOf, andThen, type Soon } from './soon.js'

/** Options of `sealStorage`. */
export interface SealStorageOptions {
  /** Milliseconds since 1970, for the history of entries that do not open. Default `Date.now`. */
  readonly wallClock?: () => number
}

/** Under which label an entry is sealed; the storage below refuses an entry that the lease does not hold. */
function labelIn(held: Lease, sequence: number): string {
  return held.entries.find((entry) => entry.sequence === sequence)?.key ?? ''
}

function copyDraft(draft: EntryDraft): EntryDraft {
  const { after } = draft
  return {
    ...draft,
    header: draft.header.slice(),
    payload: draft.payload.slice(),
    ...(after === undefined ? {} : { after: [...after] }),
  }
}

function sealDraft({ sealer, labels }: Foundation, draft: EntryDraft): Soon<EntryDraft> {
  const [lane, gate] = [labels.of('lane', draft.lane), labels.of('gate', draft.gate)]
  const key = labels.of('key', draft.key)
  const { after, once } = draft
  const rest = {
    ...(after === undefined ? {} : { after: [...after] }),
    ...(once === undefined ? {} : { once }),
  }
  return andThen(sealRecord(sealer, key, draft, draft.payload), ({ header, payload }) => ({
    ...rest,
    lane,
    gate,
    key,
    header,
    payload,
  }))
}

/**
 * Encryption at rest for any storage, under the same contract. Payload, header, lane, key, gate and every note
 * are sealed by the cipher; the adapter sees keyed hashes (HMAC-SHA-256) of lane, key, gate and note name, and
 * what a queue cannot hide: sizes, times, states, `after`, attempts, request groups and the hashes of receipts.
 * The hash key is made with the store, is kept sealed among its notes and never changes while it holds entries;
 * the cipher must be able to open it for as long.
 *
 * While the key is locked, whatever must seal or open rejects with `ERR_KEY_LOCKED`: nothing is stored, leases
 * go back without an attempt spent. An entry that does not open (damaged, or moved by somebody) is parked as a
 * dead letter when its turn comes, with code `ERR_RECORD_UNREADABLE`; its bytes stay and can be redriven.
 * Rejects with `ERR_STORAGE_FORMAT` when the storage holds entries that are not sealed, and with
 * `ERR_STORAGE_FAILED` when it was sealed with another key. Closing it closes the storage below.
 *
 * @example
 * const storage = sealStorage(await openFsStorage({ directory }), cipher)
 */
export function sealStorage(
  storage: QueueStorage,
  cipher: RecordCipher,
  options: SealStorageOptions = {},
): QueueStorage {
  const inOrder = createInOrder()
  /** The leases of the storage below, which has no business with what is in ours. */
  const below = new WeakMap<Lease, Lease>()
  let laid: Promise<Foundation> | undefined
  /** Once it is laid. */
  let standing: Foundation | undefined
  let closed = false

  function open(): void {
    if (closed) throw storageClosed()
  }

  function foundation(): Promise<Foundation> {
    laid ??= layFoundation(storage, cipher).then(
      (base) => (standing = base),
      (error: unknown) => {
        // A key that is locked now may be unlocked later.
        laid = undefined
        throw error
      },
    )
    return laid
  }

  function sealDrafts(drafts: readonly EntryDraft[]): Soon<readonly EntryDraft[]> {
    const atOnce = standing !== undefined && cipher.readsAtOnce === true
    const content = atOnce ? drafts : drafts.map(copyDraft)
    return andThen(standing ?? foundation(), (base) => allOf(content.map((draft) => sealDraft(base, draft))))
  }

  const at = (): string => new Date((options.wallClock ?? Date.now)()).toISOString()

  /** The lease as the storage below gave it. */
  async function leaseBelow(lease: Lease): Promise<Lease> {
    const known = below.get(lease)
    if (known !== undefined) return known
    // Given by another handle or a former life: the id tells the storage below all it needs.
    const { labels } = await foundation()
    const entries = lease.entries.map((entry) => ({
      ...entry,
      key: labels.of('key', entry.key),
      header: new Uint8Array(0),
      payload: new Uint8Array(0),
    }))
    const [lane, gate] = [labels.of('lane', lease.lane), labels.of('gate', lease.gate)]
    return { id: lease.id, lane, gate, entries }
  }

  async function sealMarks(
    lease: Lease,
    notes: readonly AttemptNote[],
  ): Promise<{ readonly lease: Lease; readonly notes: readonly AttemptNote[] }> {
    const held = await leaseBelow(lease)
    const sealed = notes.map(async ({ info, ...note }) => {
      if (info === undefined) return note
      const { sealer } = await foundation()
      return { ...note, info: await sealer.seal('mark', labelIn(held, note.sequence), info) }
    })
    return { lease: held, notes: await Promise.all(sealed) }
  }

  async function sealSettlements(
    lease: Lease,
    settlements: readonly Settlement[],
  ): Promise<{ readonly lease: Lease; readonly settlements: readonly Settlement[] }> {
    const held = await leaseBelow(lease)
    const sealed = settlements.map(async (settlement) => {
      const { sequence, note } = settlement
      if (note === undefined) return settlement
      const { sealer } = await foundation()
      return { ...settlement, note: await sealer.seal('note', labelIn(held, sequence), note) }
    })
    return { lease: held, settlements: await Promise.all(sealed) }
  }

  async function sealDecision(sequence: number, decision: Decision): Promise<Decision> {
    const entry = await storage.read(sequence)
    // The storage below rejects with `ERR_NO_SUCH_ENTRY`.
    if (entry === undefined) return { ...decision, note: new Uint8Array(0) }
    const { sealer } = await foundation()
    const note = await sealer.seal('note', entry.key, decision.note)
    if (decision.kind !== 'redrive') return { ...decision, note }
    if (decision.payload === undefined && decision.header === undefined) return { kind: 'redrive', note }
    const head = await openHead(sealer, entry.key, entry.header)
    const sealed = { header: entry.header, payload: entry.payload ?? new Uint8Array(0) }
    const payload = decision.payload ?? (await openPayload(sealer, entry.key, sealed))
    if (head === undefined || payload === undefined) {
      throw new QueueError('ERR_WRONG_STATE', `the record of entry ${sequence} does not open`, {
        hint: 'It cannot be corrected. Redrive it as it is once it opens again, or discard it.',
      })
    }
    const corrected = { ...head, header: decision.header ?? head.header }
    return { kind: 'redrive', note, ...(await sealRecord(sealer, entry.key, corrected, payload)) }
  }

  return {
    supports: { ...storage.supports, sealed: true },
    notes: sealedNotes({ storage, foundation, inOrder, open }),
    async append(drafts) {
      open()
      // Which entries `after` may name is for the storage below to know.
      checkDrafts(drafts, Number.MAX_SAFE_INTEGER, storageLimits)
      return await inOrder.run(sealDrafts(drafts), (sealed) => storage.append(sealed))
    },
    async lease(request) {
      open()
      checkLeaseRequest(request)
      const base = await foundation()
      return await leaseOpened(storage, base, request, at, (lease, held) => below.set(lease, held))
    },
    async mark(lease, marks) {
      open()
      checkMarks(marks, storageLimits)
      const copies = marks.map((mark) => ({
        ...mark,
        ...(mark.info === undefined ? {} : { info: mark.info.slice() }),
      }))
      await inOrder.run(sealMarks(lease, copies), (sealed) => storage.mark(sealed.lease, sealed.notes))
    },
    async renew(lease, ttlMs) {
      open()
      await storage.renew(await leaseBelow(lease), ttlMs)
    },
    async settle(lease, settlements) {
      open()
      for (const { note } of settlements) checkNote(note, storageLimits)
      const copies = settlements.map(copySettlement)
      await inOrder.run(sealSettlements(lease, copies), (sealed) =>
        storage.settle(sealed.lease, sealed.settlements),
      )
    },
    async read(sequence) {
      open()
      const entry = await storage.read(sequence)
      return entry === undefined ? undefined : await openEntry(await foundation(), entry)
    },
    async list(query) {
      open()
      const base = await foundation()
      const { lane } = query
      const page = await storage.list({
        ...query,
        ...(lane === undefined ? {} : { lane: base.labels.of('lane', lane) }),
      })
      return await Promise.all(page.map((entry) => openSummary(base, entry)))
    },
    async decide(sequence, decision) {
      open()
      checkDecision(decision, storageLimits)
      const copy = copyDecision(decision)
      await inOrder.run(sealDecision(sequence, copy), (sealed) => storage.decide(sequence, sealed))
    },
    watch(listener) {
      open()
      return storage.watch(listener)
    },
    ...(storage.hurry === undefined
      ? {}
      : {
          async hurry() {
            open()
            await storage.hurry?.()
          },
        }),
    ...(storage.wipe === undefined
      ? {}
      : {
          async wipe(keep) {
            open()
            for (const { name, bytes } of keep) {
              checkNoteName(name, storageLimits)
              checkNote(bytes, storageLimits)
            }
            await inOrder.run(
              sealKept(storage, foundation, keep),
              (sealed) => storage.wipe?.(sealed) ?? Promise.resolve(),
            )
          },
        }),
    async stats() {
      open()
      return await storage.stats()
    },
    async sync() {
      open()
      await inOrder.run(Promise.resolve(), () => storage.sync())
    },
    async close() {
      closed = true
      await inOrder.run(Promise.resolve(), () => storage.close())
    },
  }
}

function copySettlement(settlement: Settlement): Settlement {
  const { note } = settlement
  const noteCopy = note === undefined ? {} : { note: note.slice() }
  if (settlement.outcome !== 'delivered') return { ...settlement, ...noteCopy }
  const { receiptHash } = settlement
  return {
    ...settlement,
    ...noteCopy,
    ...(receiptHash === undefined ? {} : { receiptHash: receiptHash.slice() }),
  }
}

function copyDecision(decision: Decision): Decision {
  const note = decision.note.slice()
  if (decision.kind !== 'redrive') return { ...decision, note }
  const { payload, header } = decision
  return {
    kind: 'redrive',
    note,
    ...(payload === undefined ? {} : { payload: payload.slice() }),
    ...(header === undefined ? {} : { header: header.slice() }),
  }
}
