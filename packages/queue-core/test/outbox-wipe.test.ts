import { describe, expect, it } from 'vitest'
import {
  memoryStorage,
  parseNote,
  sealStorage,
  type Outcome,
  type QueueStorage,
} from '@fhir-outbox/queue-core'
import { aesCipher } from './aes-cipher.js'
import { delivered, fakeTime, refused, until, world } from './world.js'

const by = { actor: 'anna', reason: 'the device is given away' }

describe('openOutbox: wipe', () => {
  it.each([
    ['plain', (storage: QueueStorage) => storage],
    ['sealed', (storage: QueueStorage) => sealStorage(storage, aesCipher())],
  ])('erases everything, keeps a record, and goes on (%s)', async (_name, over) => {
    const time = fakeTime()
    let aborted = false
    const storage = over(memoryStorage({ now: time.now }))
    const w = world({
      time,
      storage,
      async *answer(entries, context) {
        for (const entry of entries) {
          if (entry.key === 'hangs') {
            await context.mark([entry.sequence])
            await new Promise<void>((resolve) => {
              context.signal.addEventListener('abort', () => {
                aborted = true
                resolve()
              })
            })
            return
          }
          await context.mark([entry.sequence])
          if (entry.key === 'bad') yield [{ sequence: entry.sequence, kind: 'rejected', failure: refused }]
          else yield [delivered(entry)]
        }
      },
    })
    await storage.notes.put('evidence', new Uint8Array(3), 0)
    await w.add({ key: 'good' })
    await w.add({ key: 'bad' })
    await w.add({ key: 'hangs' })
    await w.add({ key: 'behind' })
    const waiting = w.outbox.settled(4)
    w.outbox.start()
    await until(() => w.calls.length === 1 && w.types().filter((type) => type === 'sent').length === 3)
    const record = await w.outbox.wipe(by)
    expect(record).toMatchObject({ ...by, waiting: 2, unknown: 1, dead: 1, delivered: 1 })
    expect(aborted).toBe(true)
    await expect(waiting).rejects.toMatchObject({ code: 'ERR_NO_SUCH_ENTRY' })
    expect(await storage.list({ limit: 10 })).toEqual([])
    expect(await storage.notes.get('evidence')).toBeUndefined()
    const kept = await storage.notes.get('fhir-outbox-wiped')
    expect(JSON.parse(new TextDecoder().decode(kept?.bytes))).toEqual(record)
    expect(w.events).toContainEqual({ type: 'wiped', record })
    expect(await w.outbox.stats()).toMatchObject({
      accepted: 4,
      delivered: 1,
      discarded: 3,
      waiting: 0,
      bytes: 0,
    })

    // It was running, and still is.
    const next = await w.add({ key: 'good' })
    expect(next).toBe(5)
    expect(await w.outbox.settled(next)).toMatchObject({ state: 'delivered', key: 'good' })
    await w.outbox.close()
  })

  it('a storage that cannot be wiped says so and is left as it is', async () => {
    const { wipe: _wipe, ...storage } = memoryStorage()
    const w = world({ storage })
    await w.add()
    await expect(w.outbox.wipe(by)).rejects.toMatchObject({ code: 'ERR_UNSUPPORTED' })
    expect(await w.outbox.stats()).toMatchObject({ waiting: 1 })
    await w.outbox.close()
  })
})

describe('openOutbox: corrections', () => {
  it('a redrive with corrected content is on record, through every later note', async () => {
    let refuse = true
    const w = world({
      async *answer(entries, context) {
        await context.mark(entries.map(({ sequence }) => sequence))
        yield entries.map((entry) =>
          refuse ? { sequence: entry.sequence, kind: 'rejected', failure: refused } : delivered(entry),
        )
      },
    })
    await w.add({ payload: new TextEncoder().encode('wrong') })
    await w.outbox.flush()
    await w.outbox.redrive(1, { ...by, payload: new TextEncoder().encode('right') })
    const sha = '8810ad581e59f2bc3928b261707a71308f7e139eb04820366dc4d5c18d980225'
    const note = parseNote((await w.outbox.read(1))?.note)
    expect(note).toMatchObject({ kind: 'decision', decision: { corrected: true, replacedSha256: sha } })
    await w.outbox.flush()
    const after = parseNote((await w.outbox.read(1))?.note)
    expect(after?.kind === 'failure' && after.failure.history.at(-1)).toMatchObject({
      what: 'redrive',
      actor: 'anna',
      corrected: true,
      replacedSha256: sha,
    })
    refuse = false
    await w.outbox.redrive(1, by)
    await w.outbox.flush()
    expect(await w.outbox.settled(1)).toMatchObject({ state: 'delivered' })
    await w.outbox.close()
  })

  it('refuses a header that not every storage takes', async () => {
    const w = world()
    await expect(w.add({ header: new Uint8Array(4097) })).rejects.toMatchObject({ code: 'ERR_INVALID_ENTRY' })
    await w.add({ header: new Uint8Array(4096) })
    w.answer = async function* (entries) {
      yield entries.map(({ sequence }): Outcome => ({ sequence, kind: 'rejected', failure: refused }))
    }
    await w.outbox.flush()
    const correcting = w.outbox.redrive(1, { ...by, header: new Uint8Array(4097) })
    await expect(correcting).rejects.toMatchObject({ code: 'ERR_INVALID_ENTRY' })
    expect(await w.outbox.stats()).toMatchObject({ dead: 1 })
    await w.outbox.close()
  })
})
