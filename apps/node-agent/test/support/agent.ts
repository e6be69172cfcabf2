import { Readable, Writable } from 'node:stream'
import { onTestFinished } from 'vitest'
import type { Clock } from '../../src/config/load.js'
import { main } from '../../src/main.js'
import { eventsOf, transcript, type Event, type Transcript } from './transcript.js'

export interface Result {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
  /** The lines of standard output as JSON, for `--json`. */
  events(): readonly Event[]
}

export interface Around {
  readonly stdin?: string | Uint8Array
  readonly env?: Readonly<Record<string, string>>
}

/** Runs one command inside this process. */
export async function agent(args: readonly string[], { stdin = '', env = {} }: Around = {}): Promise<Result> {
  const stdout = collector()
  const stderr = collector()
  const code = await main(args, {
    stdin: Readable.from([stdin]),
    stdout: stdout.stream,
    stderr: stderr.stream,
    env,
  })
  return { code, stdout: stdout.text(), stderr: stderr.text(), events: () => eventsOf(stdout.text()) }
}

/** A command that goes on until it is stopped. */
export interface Daemon extends Transcript {
  /** Stops it as SIGTERM does, and resolves to its exit code. */
  stop(): Promise<number>
}

/** Starts `run --json` inside this process; it never outlives the test. Waits are short: its clock is a quick one. */
export function startDaemon(args: readonly string[], { env = {} }: Around = {}): Daemon {
  const stopping = new AbortController()
  const { told, hear, end } = transcript()
  const ended = main(['run', '--json', ...args], {
    stdin: Readable.from([]),
    stdout: listener((text) => hear('stdout', text)),
    stderr: listener((text) => hear('stderr', text)),
    env,
    signal: stopping.signal,
    clock: quickClock(),
  }).finally(end)
  const stop = async (): Promise<number> => {
    stopping.abort()
    return await ended
  }
  onTestFinished(async () => void (await stop()))
  return { ...told, stop }
}

/** Time that passes twenty times as fast: the queue's pauses of seconds are over soon, and keep their proportions. */
function quickClock(): Clock {
  const start = Date.now()
  const began = performance.now()
  const factor = 20
  return {
    now: () => start + (performance.now() - began) * factor,
    setTimer(fn, ms) {
      const timer = setTimeout(fn, Math.min(ms / factor, 2 ** 31 - 1))
      return () => clearTimeout(timer)
    },
  }
}

function listener(hear: (text: string) => void): Writable {
  return new Writable({
    decodeStrings: false,
    write(chunk: Buffer | string, _encoding, done) {
      hear(chunk.toString())
      done()
    },
  })
}

function collector(): { readonly stream: Writable; text(): string } {
  const chunks: Buffer[] = []
  const stream = new Writable({
    write(chunk: Buffer, _encoding, done) {
      chunks.push(chunk)
      done()
    },
  })
  return { stream, text: () => Buffer.concat(chunks).toString('utf8') }
}

/** The counters that `status` reports. */
export async function counters(directory: string): Promise<Event> {
  const { code, events } = await agent(['status', '--directory', directory, '--json'])
  const [status] = events()
  if (code !== 0 || status === undefined) throw new Error(`status ended with ${code}`)
  return status
}
