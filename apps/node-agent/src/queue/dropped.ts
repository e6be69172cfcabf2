import type { DataQueue } from '@fhir-outbox/data-queue'
import { exitCodeFor } from '../agent-error.js'
import type { Settings } from '../config/load.js'
import { dropFolderOf, takeDropFolder, type DropFolderOptions } from '../drop-folder.js'
import { exitCodes } from '../exit-codes.js'
import { acceptUnits, writesOf } from '../input/accept.js'
import { readUnits } from '../input/units.js'
import { describeError, remark, report, type Console } from '../output/console.js'

type Taking = Pick<DropFolderOptions, 'folder' | 'isBadInput' | 'accept' | 'now'>

/** How files of the drop folder get into a queue. */
export function takingInto(queue: DataQueue, settings: Settings, console: Console): Taking {
  return {
    folder: dropFolderOf(settings),
    ...(settings.clock === undefined ? {} : { now: settings.clock.now }),
    isBadInput: (error) => exitCodeFor(describeError(error).code) === exitCodes.badInput,
    async accept(name, content) {
      const accepted = await acceptUnits(queue, writesOf(settings.server, readUnits(name, content)))
      const added = accepted.filter(({ duplicate }) => !duplicate).length
      report(
        console,
        'accepted',
        { file: name, accepted: added, known: accepted.length - added },
        `${name}: ${acceptedWords(added, accepted.length - added)}`,
      )
    },
  }
}

/** Takes what was handed over while another short-lived command owned the queue. */
export async function takeDropped(queue: DataQueue, settings: Settings, console: Console): Promise<void> {
  await takeDropFolder({
    ...takingInto(queue, settings, console),
    onRefused: (name, error) => remark(console, `${name} was refused: ${describeError(error).message}`),
    onTrouble: (name, error) => remark(console, `${name} is not taken yet: ${describeError(error).message}`),
  })
}

export function acceptedWords(added: number, known: number): string {
  return `${added} accepted${known === 0 ? '' : `, ${known} known from before`}`
}
