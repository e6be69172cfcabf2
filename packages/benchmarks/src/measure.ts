/** One thing to be measured: prepared once per round, then called again and again. */
export interface Candidate {
  readonly name: string
  /** Whether what it acknowledges survives a power cut, by its settings and documentation. */
  readonly powerSafe: boolean
  /** Opens a fresh store and returns the operation, and how to close it. */
  open(): Promise<{
    readonly operation: () => Promise<void> | void
    readonly close: () => Promise<void> | void
  }>
}

/** What one candidate came to: medians over the rounds. */
export interface Rate {
  readonly name: string
  readonly powerSafe: boolean
  readonly perSecond: number
  readonly p99Ms: number
}

const warmUpMs = 150
const measuredMs = 400

/** Rates with so many callers at once; candidates take turns round by round, so that a slow minute hits all. */
export async function rates(
  candidates: readonly Candidate[],
  callers: number,
  rounds: number,
): Promise<readonly Rate[]> {
  const seen = candidates.map(() => ({ perSecond: [] as number[], p99Ms: [] as number[] }))
  for (let round = 0; round < rounds; round += 1) {
    for (const [index, candidate] of candidates.entries()) {
      const { operation, close } = await candidate.open()
      await run(operation, callers, warmUpMs)
      const times = await run(operation, callers, measuredMs)
      await close()
      seen[index]?.perSecond.push(times.count / (times.ms / 1_000))
      seen[index]?.p99Ms.push(quantile(times.each, 0.99))
    }
  }
  return candidates.map(({ name, powerSafe }, index) => ({
    name,
    powerSafe,
    perSecond: quantile(seen[index]?.perSecond ?? [], 0.5),
    p99Ms: quantile(seen[index]?.p99Ms ?? [], 0.5),
  }))
}

export function perSecondOf(all: readonly Rate[], { name }: { readonly name: string }): number {
  const found = all.find((rate) => rate.name === name)
  if (found === undefined) throw new Error(`${name} was not measured`)
  return found.perSecond
}

async function run(
  operation: () => Promise<void> | void,
  callers: number,
  ms: number,
): Promise<{ readonly count: number; readonly ms: number; readonly each: number[] }> {
  const started = performance.now()
  const end = started + ms
  const each: number[] = []
  await Promise.all(
    Array.from({ length: callers }, async () => {
      for (let now = performance.now(); now < end;) {
        await operation()
        const after = performance.now()
        each.push(after - now)
        now = after
      }
    }),
  )
  return { count: each.length, ms: performance.now() - started, each }
}

export function quantile(values: readonly number[], part: number): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? Number.NaN
}
