// One row for each safeguard: where it is, what it becomes without it, and which tests must notice.
// `replace` must occur exactly once in the file. `pattern` limits the tests by name.

const fs = 'packages/storage-fs'
const core = 'packages/queue-core'
const queue = 'packages/data-queue'
const recovery = `${fs}/test/recovery.test.ts`
const crashPoints = `${fs}/test/crash-points.test.ts`
const lock = `${fs}/test/lock.test.ts`

/**
 * @typedef {{ name: string, file: string, replace: string, by: string, tests: string[], pattern?: string }} Mutant
 * @type {readonly Mutant[]}
 */
export const mutants = [
  {
    name: 'storage-fs: the data sync of a group',
    file: `${fs}/src/internal/segment-writer.ts`,
    replace: 'Promise.allSettled([segment.file.datasync(), owner.check()])',
    by: 'Promise.allSettled([owner.check()])',
    tests: [crashPoints],
  },
  {
    name: 'storage-fs: the data sync of a write into prepared space',
    file: `${fs}/src/node-fs.ts`,
    replace: 'fs.constants.O_WRONLY | fs.constants.O_DSYNC',
    by: 'fs.constants.O_WRONLY',
    tests: [`${fs}/test/node-fs.isolated.test.ts`],
  },
  {
    name: 'storage-fs: fdatasync itself',
    file: `${fs}/src/node-fs.ts`,
    replace: 'fs.fdatasync(fd, done(resolve, reject))',
    by: 'resolve()',
    tests: [`${fs}/test/node-fs.isolated.test.ts`],
  },
  {
    name: 'storage-fs: fsync of a directory itself',
    file: `${fs}/src/node-fs.ts`,
    replace: 'await handle.sync()',
    by: 'await Promise.resolve()',
    tests: [`${fs}/test/node-fs.isolated.test.ts`],
  },
  {
    name: 'storage-fs: the data sync of a new segment header',
    file: `${fs}/src/internal/segment-writer.ts`,
    replace: `      await writeWhole(file, header, 0)
      await file.datasync()
    } catch (error) {
      await file.close().catch(() => undefined)
      throw error
    }
    return { file, size: SEGMENT_HEADER_BYTES }`,
    by: `      await writeWhole(file, header, 0)
    } catch (error) {
      await file.close().catch(() => undefined)
      throw error
    }
    return { file, size: SEGMENT_HEADER_BYTES }`,
    tests: [crashPoints],
  },
  {
    name: 'storage-fs: the sync of what recovery read',
    file: `${fs}/src/internal/recover.ts`,
    replace: 'await file.datasync()',
    by: 'await Promise.resolve()',
    tests: [recovery, crashPoints],
  },
  {
    name: 'storage-fs: writing again what a failed sync may have left in the cache',
    file: `${fs}/src/internal/recover.ts`,
    replace: 'await writeAgain(file, scanned.syncedTo, end)',
    by: '',
    tests: [`${fs}/test/failed-sync.test.ts`],
  },
  {
    name: 'storage-fs: the readers of a file that is about to be closed',
    file: `${fs}/src/internal/segment-files.ts`,
    replace: 'if (shared.readers === 0) closeShared(shared)',
    by: 'closeShared(shared)',
    tests: [`${fs}/test/open-files.test.ts`],
  },
  {
    name: 'storage-fs: the directory sync of a new segment',
    file: `${fs}/src/internal/segment-writer.ts`,
    replace: 'await fs.syncDirectory(directory)',
    by: 'await Promise.resolve()',
    tests: [crashPoints],
  },
  {
    name: 'storage-fs: the CRC of a record head while scanning',
    file: `${fs}/src/internal/scan.ts`,
    replace: 'if (crc32c(bytes, headSeed(seed, offset), 8, metaEnd) !== header.headCrc) return undefined',
    by: '',
    tests: [recovery, crashPoints],
  },
  {
    name: 'storage-fs: the CRC of a payload while scanning',
    file: `${fs}/src/internal/scan.ts`,
    replace: 'header.dataLength === 0 || crc32c(bytes, seed, metaEnd) === header.dataCrc',
    by: 'true',
    tests: [recovery],
  },
  {
    name: 'storage-fs: the CRC of a payload that is read',
    file: `${fs}/src/internal/segment-files.ts`,
    replace: 'data.length < header.dataLength || (data.length > 0 && crc32c(data, seed) !== header.dataCrc)',
    by: 'data.length < header.dataLength',
    tests: [recovery, `${fs}/test/checkpoint.test.ts`],
  },
  {
    name: 'storage-fs: the fence of a directory',
    file: `${fs}/src/internal/lock.ts`,
    replace: 'if (fs.existsNow?.(own) === false) throw lost()',
    by: '',
    tests: [lock],
  },
  {
    name: 'storage-fs: the fence of a directory beside a sync',
    file: `${fs}/src/internal/lock.ts`,
    replace: 'if ((await fs.stat(own)) === undefined) throw lost()',
    by: '',
    tests: [lock],
  },
  {
    name: 'storage-fs: the torn-tail cut',
    file: `${fs}/src/internal/scan.ts`,
    replace: 'if (broken && item.offset >= scanned.syncedTo) return unit ?? item.offset',
    by: '',
    tests: [recovery],
  },
  {
    name: 'storage-fs: the cut of half an append',
    file: `${fs}/src/internal/scan.ts`,
    replace: 'if (item.more) unit ??= item.offset',
    by: 'if (item.more) unit = undefined',
    tests: [recovery, crashPoints],
  },
  {
    name: 'storage-fs: the header of another segment in recycled blocks',
    file: `${fs}/src/internal/segments.ts`,
    replace: 'header?.segment === segment ? header : undefined',
    by: 'header',
    tests: [crashPoints],
  },
  {
    name: 'storage-fs: the record of a mark',
    file: `${fs}/src/internal/lease.ts`,
    replace: '  await store.writer.sync()\n  index.checkLease',
    by: '  index.checkLease',
    tests: [crashPoints],
  },
  {
    name: 'storage-fs: the once check',
    file: `${fs}/src/internal/append.ts`,
    replace: 'once === true ? (known.get(key) ?? first.get(key)) : undefined',
    by: 'undefined as number | undefined',
    tests: [`${fs}/test/contract.test.ts`],
  },
  {
    name: 'queue-core: the fence of a lease',
    file: `${core}/src/lane-index/leases.ts`,
    replace:
      "if (!lease.remaining.has(sequence)) throw leaseLost('the lease does not hold this entry any more')",
    by: '',
    tests: [`${core}/test/lane-index-model.test.ts`, `${core}/test/memory-storage.shared.test.ts`],
  },
  {
    name: 'queue-core: the mark before the bytes leave',
    file: `${core}/src/outbox/marks.ts`,
    replace: 'await storage.mark(lease, notes)',
    by: 'await Promise.resolve()',
    tests: [`${core}/test/outbox-unknown.test.ts`, `${core}/test/simulation.test.ts`],
  },
  {
    name: 'queue-core: the wait for a mark that was announced',
    file: `${core}/src/outbox/marks.ts`,
    replace: '          await noted\n',
    by: '',
    tests: [`${core}/test/outbox-announce.test.ts`],
  },
  {
    name: 'queue-core: a mark without an end makes unknown',
    file: `${core}/src/lane-index/leases.ts`,
    replace: 'details.markOpen = true',
    by: 'details.markOpen = false',
    tests: [`${core}/test/lane-index-model.test.ts`, `${core}/test/memory-storage.shared.test.ts`],
  },
  {
    name: 'queue-core: one by one in a lane that is suspected',
    file: `${core}/src/lane-index/lanes.ts`,
    replace: "(oneByOne === 'all' || oneByOne.includes(lanes.name(lane)))",
    by: 'false',
    tests: [`${core}/test/outbox-poison.test.ts`, `${core}/test/memory-storage.shared.test.ts`],
  },
  {
    name: 'queue-core: nothing is given up before it was tried',
    file: `${core}/src/outbox/settlements.ts`,
    replace: 'if (options.openMs(troubledForMs) >= Math.min(unknownGiveUpMs, unknownTryMs)) return true',
    by: 'if (troubledForMs >= 0) return true',
    tests: [`${core}/test/outbox-unknown.test.ts`],
  },
  {
    name: 'queue-core: the once check',
    file: `${core}/src/memory-storage.ts`,
    replace: 'draft.once === true ? (keys.find(draft.key) ?? first.get(draft.key)) : undefined',
    by: 'undefined as number | undefined',
    tests: [`${core}/test/memory-storage.shared.test.ts`],
  },
  {
    name: 'data-queue: the mark before a request',
    file: `${queue}/src/single.ts`,
    replace: 'await context.mark([entry.sequence], {',
    by: 'await (async (..._all: unknown[]) => undefined)([entry.sequence], {',
    tests: [`${queue}/test/matrix.test.ts`],
  },
  {
    name: 'data-queue: the mark before a Bundle',
    file: `${queue}/src/send-parcel.ts`,
    replace: 'await context.mark(sequences, {',
    by: 'await (async (..._all: unknown[]) => undefined)(sequences, {',
    tests: [`${queue}/test/ahead.test.ts`],
  },
  {
    name: 'data-queue: no mark ahead for what only a person could clear up',
    file: `${queue}/src/ahead.ts`,
    replace: "return plan.unknown === 'ask' && (putsToKey(plan) || isProof(destination, item, plan))",
    by: 'return true',
    tests: [`${queue}/test/ahead.test.ts`],
  },
  {
    name: 'data-queue: the question nobody has an answer to, while trying a server out',
    file: `${queue}/src/canaries.ts`,
    replace: 'control === undefined || idsIn(control, type, key).length > 0',
    by: 'control === undefined',
    tests: [`${queue}/test/gates.test.ts`],
  },
  {
    name: 'data-queue: the wait until a condition can see what was sent',
    file: `${queue}/src/sent.ts`,
    replace: 'if (age < 0 || age >= searchLagMs) return undefined',
    by: 'if (age !== undefined) return undefined',
    tests: [`${queue}/test/simulation.test.ts`, `${queue}/test/matrix.test.ts`],
  },
  {
    name: 'data-queue: asking before sending again',
    file: `${queue}/src/resolve.ts`,
    replace: "if (plan.unknown === 'replay' || plan.name === 'unsupported') return await send()",
    by: 'if (plan.name !== undefined) return await send()',
    tests: [`${queue}/test/matrix.test.ts`],
  },
  {
    name: 'data-queue: the second look where a search may lag behind',
    file: `${queue}/src/resolve.ts`,
    replace: 'if (!wasAbsentBefore(item)) return absentYet(world, item)',
    by: '',
    tests: [`${queue}/test/matrix.test.ts`],
  },
  {
    name: 'data-queue: a blind search says nothing about a transaction either',
    file: `${queue}/src/resolve.ts`,
    replace: 'return isWorthAsking(witness) ? items.map(notApplied) : undefined',
    by: 'return items.map(notApplied)',
    tests: [`${queue}/test/doubts.test.ts`],
  },
  {
    name: 'data-queue: nothing of a transaction is settled before the rest of it is found',
    file: `${queue}/src/resolve.ts`,
    replace: 'if (isEarly) return items.map((item) => again(item, hitOf(item) !== undefined))',
    by: '',
    tests: [`${queue}/test/doubts.test.ts`],
  },
  {
    name: 'data-queue: the look at what is there when a condition is refused',
    file: `${queue}/src/refusal.ts`,
    replace: 'if (hit !== undefined && hit.count > 1) return several',
    by: '',
    tests: [`${queue}/test/doubts.test.ts`],
  },
  {
    name: 'data-queue: looking where it was sent',
    file: `${queue}/src/sent.ts`,
    replace: "return { ...plan, name: sent, unknown: 'ask', moved: true }",
    by: 'return plan',
    tests: [`${queue}/test/gates.test.ts`],
  },
  {
    name: 'data-queue: the control request before an entry is blamed',
    file: `${queue}/src/refusal.ts`,
    replace: "if (health.state === 'ill') {",
    by: "if (health.state === ('never' as string)) {",
    tests: [`${queue}/test/gates.test.ts`],
  },
  {
    name: 'data-queue: the read before the next write',
    file: `${queue}/src/health.ts`,
    replace: "if (!destination.seen.doubtful || destination.endpoint.takes !== 'fhir') return undefined",
    by: 'if (destination.gate !== undefined) return undefined',
    tests: [`${queue}/test/gates.test.ts`],
  },
  {
    name: 'data-queue: the hold of what refers to another entry',
    file: `${queue}/src/data-queue.ts`,
    replace: 'new Set([...(write.after ?? []), ...after])',
    by: 'new Set(write.after ?? [])',
    tests: [`${queue}/test/writes.test.ts`, `${queue}/test/simulation.test.ts`],
  },
]
