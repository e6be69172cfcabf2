import { DataQueueError } from './errors.js'
import type { DataQueueOptions } from './types.js'

/** Refuses numbers that would switch a limit off without a word. @throws DataQueueError `ERR_INVALID_OPTION` */
export function checkOptions({ bundle = {}, searchLagMs }: DataQueueOptions): void {
  const { entries, bytes, conditionalEntries } = bundle
  for (const [name, value] of Object.entries({ entries, bytes, conditionalEntries })) {
    if (value === undefined || (Number.isSafeInteger(value) && value >= 1)) continue
    throw new DataQueueError('ERR_INVALID_OPTION', `bundle.${name} is not a whole number of at least 1.`, {
      hint: "Leave it out for the default; transactions: 'never' sends one entry a request.",
    })
  }
  if (searchLagMs === undefined || (searchLagMs >= 0 && Number.isFinite(searchLagMs))) return
  throw new DataQueueError('ERR_INVALID_OPTION', 'searchLagMs is not a number of milliseconds.', {
    hint: 'Leave it out for the default of 10 seconds.',
  })
}
