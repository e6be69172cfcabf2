import { simulateOutbox, type SimulationOptions, type SimulationReport } from './simulate-outbox.js'

/** Options of `runSeeds`. */
export interface RunSeedsOptions extends Omit<SimulationOptions, 'seed' | 'log'> {
  /** How many seeds to run. */
  readonly seeds: number
  /** The first seed. Default 1. */
  readonly from?: number
  /** Called after each seed. */
  readonly onReport?: (report: SimulationReport) => void
}

/** What came of many seeds: sums over all reports. */
export interface SeedsSummary {
  readonly seeds: number
  readonly accepted: number
  readonly delivered: number
  readonly lost: number
  readonly duplicated: number
  readonly reordered: number
  readonly early: number
  readonly corrupted: number
  readonly stuck: number
  readonly unbalanced: number
  readonly crashes: number
  readonly sleeps: number
  readonly events: number
  /** How often each trouble has happened: a run that had none proves nothing. */
  readonly troubles: Readonly<Record<string, number>>
  /** Reports of the seeds that broke a promise. Run one again with `simulateOutbox({ seed, log })`. */
  readonly failed: readonly SimulationReport[]
}

/** Runs `simulateOutbox` for one seed after the other. */
export async function runSeeds(options: RunSeedsOptions): Promise<SeedsSummary> {
  const { seeds, from = 1, onReport, ...rest } = options
  const reports: SimulationReport[] = []
  const failed: SimulationReport[] = []
  const troubles = new Map<string, number>()
  for (let seed = from; seed < from + seeds; seed++) {
    const report = await simulateOutbox({ ...rest, seed })
    reports.push(report)
    if (!report.ok) failed.push(report)
    for (const [name, count] of Object.entries(report.troubles)) {
      troubles.set(name, (troubles.get(name) ?? 0) + count)
    }
    onReport?.(report)
  }
  const sum = (of: (report: SimulationReport) => number): number =>
    reports.reduce((total, report) => total + of(report), 0)
  return {
    seeds,
    accepted: sum(({ accepted }) => accepted),
    delivered: sum(({ delivered }) => delivered),
    lost: sum(({ lost }) => lost),
    duplicated: sum(({ duplicated }) => duplicated),
    reordered: sum(({ reordered }) => reordered),
    early: sum(({ early }) => early),
    corrupted: sum(({ corrupted }) => corrupted),
    stuck: sum(({ stuck }) => stuck),
    unbalanced: sum(({ unbalanced }) => unbalanced),
    crashes: sum(({ crashes }) => crashes),
    sleeps: sum(({ sleeps }) => sleeps),
    events: sum(({ events }) => events),
    troubles: Object.fromEntries(troubles),
    failed,
  }
}
