import { spawn, type ChildProcess } from 'node:child_process'
import { createInterface } from 'node:readline'

/** One JSON line that `fhir-outbox run --json` printed. */
export type AgentEvent = Readonly<Record<string, unknown>> & { readonly event: string }

/** A running agent, seen from outside. */
export interface Agent {
  /** Ends it as a power cut would: SIGKILL, no chance to say anything. */
  kill(): Promise<void>
  /** Ends it with SIGTERM and waits. */
  stop(): Promise<void>
}

/** Starts `fhir-outbox run --json` as a process of its own. */
export function startAgent(args: readonly string[], onEvent: (event: AgentEvent) => void): Agent {
  const script = process.argv[1] ?? ''
  const child: ChildProcess = spawn(process.execPath, [script, 'run', '--json', ...args], {
    // The log on standard error is for operators; the story is told from the results.
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  const ended = new Promise<void>((resolve) => {
    child.once('close', () => resolve())
  })
  if (child.stdout !== null) {
    createInterface({ input: child.stdout }).on('line', (line) => {
      const event: unknown = parseLine(line)
      if (isEvent(event)) onEvent(event)
    })
  }
  return {
    async kill() {
      child.kill('SIGKILL')
      await ended
    },
    async stop() {
      child.kill('SIGTERM')
      await ended
    },
  }
}

/** A killed process may leave half a line. */
function parseLine(line: string): unknown {
  try {
    return JSON.parse(line)
  } catch {
    return undefined
  }
}

function isEvent(value: unknown): value is AgentEvent {
  return typeof value === 'object' && value !== null && 'event' in value && typeof value.event === 'string'
}
