import { memoryStorage } from '@fhir-outbox/queue-core'
import { inspectFsStorage } from '@fhir-outbox/storage-fs'
import type { Home } from '../config/load.js'
import { exitCodes, type ExitCode } from '../exit-codes.js'
import { describeError, report, type Console } from '../output/console.js'
import { statsLines } from '../output/stats.js'
import { isMissing, openStorage, queueFolder } from '../queue/open.js'

/** How much waits, was delivered, or needs a decision; also beside a running agent. */
export async function status(home: Home, console: Console): Promise<ExitCode> {
  const { directory } = home
  if (await isMissing(home)) {
    const none = memoryStorage()
    const stats = await none.stats()
    await none.close()
    report(console, 'status', { directory, ...stats }, `${directory}: no queue yet.`)
    return exitCodes.ok
  }
  let storage: Awaited<ReturnType<typeof openStorage>>
  try {
    storage = await openStorage(home)
  } catch (error) {
    if (describeError(error).code !== 'ERR_STORAGE_LOCKED') throw error
    const { owner, stats } = await inspectFsStorage(queueFolder(home))
    const by = owner === undefined ? 'another process' : `process ${owner.pid}`
    report(
      console,
      'status',
      { directory, ...(owner === undefined ? {} : { owner: owner.pid }), ...stats },
      [`${directory} (in use by ${by}; a picture of this moment)`, ...statsLines(stats)].join('\n'),
    )
    return exitCodes.ok
  }
  try {
    const stats = await storage.stats()
    const { durability } = storage.supports
    report(
      console,
      'status',
      { directory, durability, ...stats },
      [`${directory} (accepted means safe from ${durability})`, ...statsLines(stats)].join('\n'),
    )
    return exitCodes.ok
  } finally {
    await storage.close()
  }
}
