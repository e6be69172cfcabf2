import { inspectFsStorage } from '@fhir-outbox/storage-fs'
import { AgentError } from '../agent-error.js'
import type { Home } from '../config/load.js'
import { exitCodes, type ExitCode } from '../exit-codes.js'
import { report, type Console } from '../output/console.js'
import { statsLines } from '../output/stats.js'
import { isMissing, queueFolder } from '../queue/open.js'

/** Reads every record of the queue and changes nothing. Exit 4 when one is damaged. */
export async function fsck(home: Home, console: Console): Promise<ExitCode> {
  const folder = queueFolder(home)
  if (await isMissing(home)) {
    // Not 0: whoever mistyped the directory must not take it for a sound queue.
    throw new AgentError('ERR_BAD_DIRECTORY', `There is no queue in ${home.directory}.`, {
      hint: 'Nothing was ever accepted there, or the --directory is another one.',
    })
  }
  const { owner, stats, segments, bytes, unfinishedBytes, unreadable, nextSequence } =
    await inspectFsStorage(folder)
  const damaged = unreadable.length + stats.quarantined
  report(
    console,
    'fsck',
    {
      directory: folder,
      ...(owner === undefined ? {} : { owner: owner.pid }),
      segments,
      logBytes: bytes,
      unfinishedBytes,
      unreadable,
      nextSequence,
      ...stats,
    },
    [
      `${folder}: ${segments} segments, ${bytes} bytes${owner === undefined ? '' : `, in use by process ${owner.pid}`}`,
      ...(unfinishedBytes === 0
        ? []
        : [`${unfinishedBytes} bytes of an interrupted write, which opening cuts off`]),
      ...(unreadable.length === 0
        ? []
        : [`unreadable entries: ${unreadable.join(', ')}; opening quarantines them`]),
      ...statsLines(stats),
      damaged === 0 ? 'No damage.' : `${damaged} entries are damaged; the rest is delivered.`,
    ].join('\n'),
  )
  return damaged === 0 ? exitCodes.ok : exitCodes.storage
}
