import { parseNote } from '@fhir-outbox/queue-core'
import type { Home } from '../config/load.js'
import { exitCodes, type ExitCode } from '../exit-codes.js'
import { remark, report, type Console } from '../output/console.js'
import { entriesOf, withPicture } from '../queue/look.js'

/** What deliveries left: where each entry is at the server, since when, and the hash of what was delivered. */
export async function receipts(
  home: Home,
  { limit }: { readonly limit: number },
  console: Console,
): Promise<ExitCode> {
  return withPicture(home, async (outbox) => {
    const entries = await entriesOf(outbox, 'delivered', limit)
    for (const { note: bytes, sequence, lane } of entries) {
      const note = parseNote(bytes)
      if (note?.kind !== 'receipt') continue
      const { receipt } = note
      report(
        console,
        'receipt',
        { ...receipt, lane },
        `${sequence}  ${receipt.at}  ${receipt.status ?? ''}  ${receipt.id ?? `${Array.isArray(receipt['ids']) ? receipt['ids'].length : 0} resources`}  sha256 ${receipt.contentSha256.slice(0, 16)}…`,
      )
    }
    if (entries.length === 0) remark(console, 'No receipts.')
    return exitCodes.ok
  })
}
