import type { Settings } from '../config/load.js'
import { exitCodes, type ExitCode } from '../exit-codes.js'
import { report, type Console } from '../output/console.js'
import { openStorage } from '../queue/open.js'

export async function status(home: Pick<Settings, 'directory'>, console: Console): Promise<ExitCode> {
  const storage = await openStorage(home)
  try {
    const stats = await storage.stats()
    const { accepted, waiting, unknown, held, delivered, dead, discarded, quarantined } = stats
    report(
      console,
      'status',
      { directory: home.directory, durability: storage.supports.durability, ...stats },
      [
        `${home.directory} (accepted means safe from ${storage.supports.durability})`,
        `${accepted} accepted`,
        `  ${waiting} waiting${unknown > 0 ? `, ${unknown} of them with unknown outcome` : ''}${held > 0 ? `, ${held} held` : ''}`,
        `  ${delivered} delivered`,
        `  ${dead} dead letters`,
        `  ${discarded} discarded`,
        ...(quarantined > 0 ? [`  ${quarantined} quarantined: their records are damaged`] : []),
      ].join('\n'),
    )
    return exitCodes.ok
  } finally {
    await storage.close()
  }
}
