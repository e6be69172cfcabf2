import cliProgress from 'cli-progress'
import type { Console } from './console.js'

/** A bar on a terminal, nothing elsewhere. */
export interface Progress {
  update(done: number, total: number): void
  stop(): void
}

/** Below this many, what needs no network is done before a bar could be read. */
const worthABar = 1_000

/** A bar for work on this machine: only where there is much of it. */
export function localProgressBar(console: Console, label: string, total: number): Progress {
  const bar = total < worthABar ? silent : progressBar(console, label)
  bar.update(0, total)
  return bar
}

const silent: Progress = { update: () => undefined, stop: () => undefined }

export function progressBar(console: Console, label: string): Progress {
  if (console.json || console.err.isTTY !== true) return silent
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
