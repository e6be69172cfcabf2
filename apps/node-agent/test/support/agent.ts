import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable, Writable } from 'node:stream'
import { onTestFinished } from 'vitest'
import { main } from '../../src/main.js'

export interface Result {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
  /** The lines of standard output as JSON, for `--json`. */
  events(): readonly Event[]
}

export type Event = Readonly<Record<string, unknown>>

export interface Around {
  readonly stdin?: string
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

export function eventsOf(text: string): readonly Event[] {
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Event)
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

/** A directory of this test alone. */
export async function tempDirectory(): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'fhir-outbox-agent-'))
  onTestFinished(() => rm(path, { recursive: true, force: true }))
  return path
}

/** The counters that `status` reports. */
export async function counters(directory: string): Promise<Event> {
  const { code, events } = await agent(['status', '--directory', directory, '--json'])
  const [status] = events()
  if (code !== 0 || status === undefined) throw new Error(`status ended with ${code}`)
  return status
}
