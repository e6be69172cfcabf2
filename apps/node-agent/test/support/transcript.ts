export type Event = Readonly<Record<string, unknown>>

/** What a running command has said so far. */
export interface Transcript {
  stdout(): string
  stderr(): string
  /** Resolves with the first JSON line that fits, now or later; rejects when the command ends without it. */
  event(fits: (event: Event) => boolean): Promise<Event>
}

/** Collects what a command says. */
export function transcript(): {
  readonly told: Transcript
  hear(stream: 'stdout' | 'stderr', text: string): void
  /** Nothing more will come. */
  end(): void
} {
  const said = { stdout: '', stderr: '' }
  const watchers = new Set<() => void>()
  let over = false
  const look = (): void => {
    for (const watcher of watchers) watcher()
  }
  return {
    told: {
      stdout: () => said.stdout,
      stderr: () => said.stderr,
      event: (fits) =>
        new Promise((resolve, reject) => {
          const watcher = (): void => {
            const whole = said.stdout.slice(0, said.stdout.lastIndexOf('\n') + 1)
            const found = eventsOf(whole).find(fits)
            if (found === undefined && !over) return
            watchers.delete(watcher)
            if (found === undefined)
              reject(new Error(`The agent ended without it. It said: ${said.stdout}${said.stderr}`))
            else resolve(found)
          }
          watchers.add(watcher)
          watcher()
        }),
    },
    hear(stream, text) {
      said[stream] += text
      if (stream === 'stdout') look()
    },
    end() {
      over = true
      look()
    },
  }
}

/** JSON lines. */
export function eventsOf(text: string): readonly Event[] {
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Event)
}
