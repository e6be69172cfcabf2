import { mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { createRecordCipher, passphraseKey } from '@fhir-outbox/envelope-crypto'
import { createFhirClient, type SendRequest } from '@fhir-outbox/fhir-client'
import { sealStorage, type QueueStorage } from '@fhir-outbox/queue-core'
import { openFsStorage } from '@fhir-outbox/storage-fs'
import { openDataQueue } from '../src/index.js'
import { quick } from './bench.js'

const marker = 'MARKER-7f3a'
const lane = `lane of ${marker}`
const passphrase = 'correct horse battery staple'
const baseUrl = `https://${marker.toLowerCase()}.example/fhir`
const filler = '.'.repeat(2000)

const observation = (text: string): object => ({
  resourceType: 'Observation',
  status: 'final',
  code: { text: `${marker} ${text} ${filler}` },
})

/** Takes what is good, refuses what is bad and quotes it, and is away for the rest. */
async function send({ method, body }: SendRequest): Promise<Response> {
  if (method === 'GET') return new Response(null, { status: 404 })
  const text = typeof body === 'string' ? body : new TextDecoder().decode(body)
  if (text.includes('good')) {
    return new Response(null, { status: 201, headers: { location: `${baseUrl}/Observation/${marker}` } })
  }
  if (!text.includes('bad')) return new Response(null, { status: 503, headers: { 'retry-after': '1' } })
  const issue = [{ severity: 'error', code: 'invariant', diagnostics: `${marker} is not welcome` }]
  return new Response(JSON.stringify({ resourceType: 'OperationOutcome', issue }), { status: 422 })
}

/** A queue's whole life: delivered, dead, waiting, a note of its own, evidence, a clean close. */
async function live(storage: QueueStorage): Promise<void> {
  const queue = openDataQueue({
    storage,
    fhir: createFhirClient({ baseUrl, send: { send } }),
    defaults: quick,
  })
  const texts = ['good', 'bad', ...Array.from({ length: 20 }, (_, n) => `waits ${n}`)]
  await queue.enqueueAll(texts.map((text) => ({ resource: observation(text), lane })))
  expect(await queue.flush()).toMatchObject({ delivered: 1, dead: 1, waiting: 20 })
  const later = Array.from({ length: 10 }, (_, n) => ({ resource: observation(`later ${n}`), lane }))
  await queue.enqueueAll(later)
  await storage.notes.put(`note of ${marker}`, new TextEncoder().encode(marker), 0)
  await queue.close()
}

/** One byte of an entry that nobody has tried changes. */
async function damage(directory: string): Promise<void> {
  const [segment = ''] = (await readdir(directory)).filter((name) => name.endsWith('.log')).sort()
  const bytes = await readFile(join(directory, segment))
  const at = bytes.findLastIndex((byte) => byte !== 0) - 10_000
  bytes[at] = (bytes[at] ?? 0) ^ 1
  await writeFile(join(directory, segment), bytes)
  await rm(join(directory, 'checkpoint.bin'))
}

/** The kinds of files, and those of them that show the marker, in whatever encoding. */
async function scan(directory: string): Promise<{ readonly files: string[]; readonly showing: string[] }> {
  const needles = [marker, marker.toLowerCase(), baseUrl].flatMap((text) => [
    Buffer.from(text),
    Buffer.from(text, 'utf16le'),
    Buffer.from(Buffer.from(`${text}...`).toString('base64').slice(0, 12)),
  ])
  const files: string[] = []
  const showing: string[] = []
  for (const name of (await readdir(directory)).sort()) {
    const bytes = await readFile(join(directory, name))
    const kind = name.replaceAll(/[-\d]+/g, '')
    files.push(kind)
    if (needles.some((needle) => bytes.includes(needle))) showing.push(kind)
  }
  return { files, showing }
}

type Wrap = (storage: QueueStorage) => QueueStorage | Promise<QueueStorage>

const sealed: Wrap = (storage) =>
  sealStorage(storage, createRecordCipher({ keyId: 'k1', key: new Uint8Array(32).fill(7) }))

const byPassphrase: Wrap = async (storage) =>
  sealStorage(
    storage,
    createRecordCipher({
      keyId: 'p1',
      key: passphraseKey({ passphrase, notes: storage.notes, keyId: 'p1' }),
    }),
  )

/** What stands on the disk after a clean close, and after a damaged record was set aside. */
async function images(wrap: Wrap): Promise<{
  readonly closed: Awaited<ReturnType<typeof scan>>
  readonly quarantined: Awaited<ReturnType<typeof scan>>
  readonly storage: QueueStorage
}> {
  const directory = await mkdtemp(join(tmpdir(), 'marker-scan-'))
  onTestFinished(() => rm(directory, { recursive: true, force: true }))
  await live(await wrap(await openFsStorage({ directory })))
  const closed = await scan(directory)
  await damage(directory)
  const storage = await wrap(await openFsStorage({ directory, verify: true }))
  onTestFinished(() => storage.close())
  expect(await storage.stats()).toMatchObject({ quarantined: 1 })
  return { closed, quarantined: await scan(directory), storage }
}

describe('files of a sealed queue', () => {
  it.each([
    ['a key', sealed],
    ['a passphrase', byPassphrase],
  ])(
    'show nothing of content, lane, server, receipt, dead letter, note or quarantine: %s',
    async (_, wrap) => {
      const { closed, quarantined, storage } = await images(wrap)
      expect(closed.files).toContain('checkpoint.bin')
      expect(quarantined.files).toContain('quarantine.bin')
      expect([...closed.showing, ...quarantined.showing]).toEqual([])
      const delivered = await storage.read(1)
      expect(new TextDecoder().decode(delivered?.note)).toContain(marker)
    },
  )

  it('are told from those of a queue in clear: the same scan finds the marker in every kind of file', async () => {
    const { closed, quarantined } = await images((storage) => storage)
    expect(closed.showing).toEqual(expect.arrayContaining(['checkpoint.bin', 'segment.log']))
    expect(quarantined.showing).toEqual(expect.arrayContaining(['quarantine.bin', 'segment.log']))
  })
})
