import type { Settings } from '../config/load.js'
import { exitCodes, type ExitCode } from '../exit-codes.js'
import type { Console } from '../output/console.js'
import { progressBar } from '../output/progress.js'
import { deliver } from '../queue/deliver.js'
import { takeDropped } from '../queue/dropped.js'
import { openQueue } from '../queue/open.js'
import { reportDelivery } from '../output/delivery.js'

export interface FlushOptions {
  readonly waitSeconds: number
  readonly signal: AbortSignal
}

export async function flush(settings: Settings, options: FlushOptions, console: Console): Promise<ExitCode> {
  const queue = await openQueue(settings)
  try {
    await takeDropped(queue, settings, console)
    const progress = progressBar(console, 'Delivering')
    const delivery = await deliver(queue, {
      waitMs: options.waitSeconds * 1_000,
      signal: options.signal,
      onProgress: progress.update,
    }).finally(progress.stop)
    const code = reportDelivery(console, delivery)
    return code === exitCodes.ok && delivery.waiting > 0 ? exitCodes.waiting : code
  } finally {
    await queue.close()
  }
}
