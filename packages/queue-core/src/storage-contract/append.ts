import { isLease } from '../storage-port.js'
import { adapterLimits } from '../validate.js'
import { equal, ok, present, rejects } from './assert.js'
import { add, addOne, deliver, draft, lease, nothing, sequences, text, ttl } from './bench.js'
import type { DefineTest } from './types.js'

const mebibyte = 1024 * 1024

function pattern(length: number): Uint8Array {
  const bytes = new Uint8Array(length)
  for (let at = 0; at < length; at++) bytes[at] = (at * 31 + (at >> 8)) & 0xff
  return bytes
}

export function appendTests(test: DefineTest): void {
  test('gives sequences that strictly increase, in the order of the drafts', async ({ storage }) => {
    const first = await add(storage, {}, { lane: 'other' }, {})
    const second = await add(storage, { lane: 'other' }, {})
    const all = [...first, ...second]
    equal(
      all,
      all.toSorted((a, b) => a - b),
      'order',
    )
    equal(new Set(all).size, 5, 'different sequences')
    ok(
      all.every((sequence) => Number.isSafeInteger(sequence) && sequence > 0),
      'sequences are positive integers',
    )
    const taken = await lease(storage)
    equal(sequences(taken), [all[0], all[2], all[4]], 'the lane in order of sequence')
  })

  test('answers an empty append with an empty list', async ({ storage }) => {
    equal(await storage.append([]), [], 'answer')
    equal((await storage.stats()).accepted, 0, 'accepted')
  })

  test('never gives a sequence twice, even when everything was delivered', async ({ storage }) => {
    const first = await addOne(storage)
    await deliver(storage, await lease(storage))
    ok((await addOne(storage)) > first, 'a later entry has a higher sequence')
  })

  test('stores all drafts or none', async ({ storage }) => {
    const bad = draft({ payload: new Uint8Array(16 * mebibyte + 1) })
    await rejects(storage.append([draft(), draft({ lane: 'other' }), bad]), 'ERR_INVALID_ENTRY', 'append')
    equal((await storage.stats()).accepted, 0, 'accepted')
    equal(await storage.list({ limit: 10 }), [], 'list')
    await nothing(storage)
  })

  const invalid: readonly [string, Parameters<typeof draft>[0]][] = [
    ['a payload over 16 MiB', { payload: new Uint8Array(16 * mebibyte + 1) }],
    ['a header over the limit', { header: new Uint8Array(adapterLimits.headerBytes + 1) }],
    ['a key over 512 UTF-8 bytes', { key: 'é'.repeat(257) }],
    ['an empty key', { key: '' }],
    ['a lane with a lone surrogate', { lane: 'a\ud800b' }],
    ['a key with a lone surrogate', { key: '\udc00' }],
    ['a gate with a lone surrogate', { gate: '\ud83d' }],
    ['an after that does not exist yet', { after: [1_000_000] }],
    ['an after that is no sequence', { after: [0.5] }],
  ]
  for (const [what, overrides] of invalid) {
    test(`refuses ${what}`, async ({ storage }) => {
      await rejects(storage.append([draft(overrides)]), 'ERR_INVALID_ENTRY', what)
      equal((await storage.stats()).accepted, 0, 'accepted')
      await addOne(storage)
    })
  }

  test('keeps payloads of any size up to 16 MiB, and headers up to 4,096 bytes, byte by byte', async ({
    storage,
  }) => {
    const sizes = [0, 1, 2, 511, 512, 513, 4095, 4096, 4097, 65_535, 65_537, mebibyte + 1, 16 * mebibyte]
    for (const size of sizes) {
      const payload = pattern(size)
      const header = pattern(Math.min(size, 4096))
      const sequence = await addOne(storage, { payload, header, key: 'k'.repeat(512) })
      const entry = present(await storage.read(sequence), 'entry')
      equal(entry.payload, payload, `payload of ${size} bytes by read`)
      equal(entry.header, header, 'header by read')
      equal(entry.payloadBytes, size, 'payloadBytes')
      const taken = await lease(storage)
      equal(taken.entries[0]?.payload, payload, `payload of ${size} bytes by lease`)
      equal(taken.entries[0]?.header, header, 'header by lease')
      await deliver(storage, taken)
    }
  })

  test('keeps lanes, keys and gates of any Unicode text apart', async ({ storage }) => {
    const names = [
      '',
      ' ',
      'a',
      'a ',
      'A',
      'a\u0000',
      '\u0000',
      'é',
      'e\u0301',
      '../a',
      'a/b\\c:*?"<>|',
      '__proto__',
      'constructor',
      '\u202eabc',
      '测试',
      '👩‍⚕️',
      '\u{10ffff}',
      '\uffff',
      "'; drop table entries; --",
      'x'.repeat(1024),
    ]
    const added = await add(
      storage,
      ...names.map((name) => ({
        lane: name,
        gate: `g${name}`.slice(0, 1024),
        key: `k${name}`.slice(0, 512),
      })),
    )
    for (const [at, name] of names.entries()) {
      const taken = await lease(storage)
      equal(taken.lane, name, 'lane, in order of arrival')
      equal(taken.gate, `g${name}`.slice(0, 1024), 'gate')
      equal(taken.entries[0]?.key, `k${name}`.slice(0, 512), 'key')
      equal(sequences(taken), [added[at]], 'only its own entry')
      const listed = await storage.list({ lane: name, limit: 10 })
      equal(
        listed.map(({ sequence }) => sequence),
        [added[at]],
        'list by lane',
      )
    }
  })

  test('numbers appends in the order in which they were called', async ({ storage }) => {
    const sizes = [100_000, 1, 50_000, 0, 200_000, 10, 1000, 3]
    const appending = sizes.map((size) => storage.append([draft({ payload: pattern(size) }), draft()]))
    const all = (await Promise.all(appending)).flat().map(({ sequence }) => sequence)
    equal(
      all,
      all.toSorted((a, b) => a - b),
      'order',
    )
    const stored = (await storage.list({ limit: 100 })).map(({ payloadBytes }) => payloadBytes)
    equal(
      stored.filter((_, at) => at % 2 === 0),
      sizes,
      'the entries behind the numbers',
    )
  })

  test('has copied the bytes as soon as append was called', async ({ storage }) => {
    const blocker = await addOne(storage)
    const backing = new Uint8Array([9, 9, 1, 2, 3, 9, 9])
    const payload = backing.subarray(2, 5)
    const header = new Uint8Array([4, 5, 6])
    const after = [blocker]
    const drafts = [draft({ payload, header, after })]
    const appending = storage.append(drafts)
    backing.fill(0)
    header.fill(0)
    after.pop()
    drafts.pop()
    const { sequence } = present((await appending)[0], 'answer')
    const entry = present(await storage.read(sequence), 'entry')
    equal(entry.payload, new Uint8Array([1, 2, 3]), 'payload')
    equal(entry.header, new Uint8Array([4, 5, 6]), 'header')
    equal(entry.after, [blocker], 'after')
  })

  test('hands out copies', async ({ storage }) => {
    const sequence = await addOne(storage, { payload: text('payload'), header: text('header') })
    const entry = present(await storage.read(sequence), 'entry')
    entry.payload?.fill(0)
    entry.header.fill(0)
    for (const summary of await storage.list({ limit: 1 })) summary.header.fill(0)
    const taken = await lease(storage)
    taken.entries[0]?.payload.fill(0)
    const again = present(await storage.read(sequence), 'entry')
    equal(again.payload, text('payload'), 'payload')
    equal(again.header, text('header'), 'header')
  })

  test('hands out copies of notes and marks, too', async ({ storage }) => {
    const sequence = await addOne(storage)
    const first = await lease(storage)
    await storage.mark(first, [{ sequence, group: 'g', info: text('info') }])
    const hash = new Uint8Array(32).fill(7)
    await storage.settle(first, [
      { sequence, outcome: 'unknown', delayMs: 0, spent: true, note: text('note') },
    ])
    for (const shown of [await storage.read(sequence), ...(await storage.list({ limit: 1 }))]) {
      shown?.note?.fill(0)
      shown?.mark?.info?.fill(0)
    }
    const second = await lease(storage)
    second.entries[0]?.note?.fill(0)
    second.entries[0]?.mark?.info?.fill(0)
    await storage.settle(second, [{ sequence, outcome: 'unknown', delayMs: 0, spent: true }])
    const third = await lease(storage)
    const entry = present(third.entries[0], 'entry')
    equal([entry.note, entry.mark?.info], [text('note'), text('info')], 'note and mark')
    await storage.settle(third, [{ sequence, outcome: 'delivered', receiptHash: hash }])
    for (let round = 0; round < 2; round++) {
      const last = await addOne(storage)
      const taken = await lease(storage)
      equal(taken.lastReceiptHash, hash, 'receipt hash')
      taken.lastReceiptHash?.fill(0)
      await storage.settle(taken, [{ sequence: last, outcome: 'rejected', note: text('no') }])
    }
  })

  test('takes appends at the same time', async ({ storage }) => {
    const answers = await Promise.all(
      Array.from({ length: 60 }, (_, at) =>
        storage.append(
          Array.from({ length: 1 + (at % 3) }, () =>
            draft({ lane: `lane ${at % 4}`, payload: text(String(at)) }),
          ),
        ),
      ),
    )
    const all = answers.flat().map(({ sequence }) => sequence)
    equal(new Set(all).size, 120, 'different sequences')
    for (const answer of answers) {
      const own = answer.map(({ sequence }) => sequence)
      equal(
        own,
        own.toSorted((a, b) => a - b),
        'order inside one call',
      )
    }
    equal((await storage.stats()).waiting, 120, 'waiting')
    equal((await storage.list({ limit: 1000 })).length, 120, 'listed')
  })

  test('never shows a lower sequence of a lane after a higher one was leased', async ({ storage }) => {
    const appending: Promise<unknown>[] = []
    const seen: number[] = []
    for (let round = 0; round < 40; round++) {
      for (const all of [[draft()], [draft(), draft()]]) {
        const call = storage.append(all)
        // Awaited below; until then a rejection must not count as unhandled.
        call.catch(() => undefined)
        appending.push(call)
      }
      const taken = await storage.lease({ limit: 2, maxBytes: 1e6, ttlMs: ttl, closedGates: [] })
      if (!isLease(taken)) continue
      seen.push(...sequences(taken))
      await deliver(storage, taken)
    }
    await Promise.all(appending)
    for (let round = 0; round < 120 && (await storage.stats()).waiting > 0; round++) {
      const taken = await lease(storage)
      seen.push(...sequences(taken))
      await deliver(storage, taken)
    }
    equal(seen.length, 120, 'everything was leased once')
    equal(
      seen,
      seen.toSorted((a, b) => a - b),
      'order',
    )
  })
}

export function onceTests(test: DefineTest): void {
  test('once: a second append of the key returns the first sequence and adds nothing', async ({
    storage,
  }) => {
    const key = 'same'
    const first = await storage.append([draft({ key, once: true, payload: text('first') })])
    equal(first[0]?.duplicate, false, 'the first is new')
    const second = await storage.append([draft({ key, once: true, payload: text('second'), lane: 'other' })])
    equal(second, [{ sequence: first[0]?.sequence, duplicate: true }], 'the second')
    equal((await storage.stats()).accepted, 1, 'accepted')
    const entry = present(await storage.read(first[0]?.sequence ?? 0), 'entry')
    equal(entry.payload, text('first'), 'the first content stays')
  })

  test('once: finds a key that was appended without it', async ({ storage }) => {
    const sequence = await addOne(storage, { key: 'same' })
    const again = await storage.append([draft({ key: 'same', once: true })])
    equal(again, [{ sequence, duplicate: true }], 'answer')
  })

  test('once: works inside one call, beside new drafts', async ({ storage }) => {
    const answers = await storage.append([
      draft({ key: 'a', once: true }),
      draft({ key: 'a', once: true }),
      draft({ key: 'b', once: true }),
    ])
    equal(answers[1], { sequence: answers[0]?.sequence, duplicate: true }, 'the twin')
    equal(answers[2]?.duplicate, false, 'the other key')
    equal((await storage.stats()).accepted, 2, 'accepted')
  })

  test('without once the same key makes two entries', async ({ storage }) => {
    const [first, second] = await add(storage, { key: 'same' }, { key: 'same' })
    ok(first !== second, 'two sequences')
    equal((await storage.stats()).accepted, 2, 'accepted')
  })

  test('once: knows leased, unknown, dead, delivered and discarded entries', async ({ storage, elapse }) => {
    const sequence = await addOne(storage, { key: 'same' })
    const known = [{ sequence, duplicate: true }]
    const again = (): ReturnType<typeof storage.append> =>
      storage.append([draft({ key: 'same', once: true })])
    const abandoned = await lease(storage)
    equal(await again(), known, 'leased')
    await storage.mark(abandoned, [{ sequence, group: 'g' }])
    await elapse(ttl + 1)
    equal(await again(), known, 'unknown')
    const taken = await lease(storage)
    await storage.settle(taken, [{ sequence, outcome: 'parked', note: text('no') }])
    equal(await again(), known, 'dead')
    await storage.decide(sequence, { kind: 'redrive', note: text('again') })
    await deliver(storage, await lease(storage))
    equal(await again(), known, 'delivered')
    const other = await addOne(storage, { key: 'other' })
    await storage.decide(other, { kind: 'withdraw', note: text('back') })
    equal(
      await storage.append([draft({ key: 'other', once: true })]),
      [{ sequence: other, duplicate: true }],
      'discarded',
    )
  })

  test('once: many at the same time make one entry', async ({ storage }) => {
    const answers = await Promise.all(
      Array.from({ length: 20 }, () => storage.append([draft({ key: 'same', once: true })])),
    )
    const all = answers.flat()
    equal(new Set(all.map(({ sequence }) => sequence)).size, 1, 'one sequence')
    equal(all.filter(({ duplicate }) => !duplicate).length, 1, 'one of them is new')
    equal((await storage.stats()).accepted, 1, 'accepted')
  })
}
