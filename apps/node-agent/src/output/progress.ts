import cliProgress from 'cli-progress'
import type { Console } from './console.js'

/** A bar on a terminal, nothing elsewhere. */
export interface Progress {
  update(done: number, total: number): void
  stop(): void
}

export function progressBar(console: Console, label: string): Progress {
  if (console.json || console.err.isTTY !== true) return { update: () => undefined, stop: () => undefined }
  const bar = new cliProgress.SingleBar(
    {
      format: `${label} [{bar}] {value}/{total}`,
      stream: console.err,
      hideCursor: true,
      clearOnComplete: true,
    },
    cliProgress.Presets.shades_classic,
  )
  let started = false
  return {
    update(done, total) {
      if (!started) bar.start(total, done)
      started = true
      bar.setTotal(total)
      bar.update(done)
    },
    stop: () => bar.stop(),
  }
}
