// `pnpm crash --rounds N [--seed S]`: kills a working process again and again and counts at a modelled server.
import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { parseArgs } from 'node:util'
import { startModelServer, type ModelServer, type ModelWrite } from './server.js'

const lanes = ['a', 'b', 'c', 'd', 'e', 'f']
const lostReplies = 12
const longestLifeMs = 120

function seededRandom(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return state / 4_294_967_296
  }
}

/** What the parent knows by itself: what was asked for, and what was promised. */
interface Oracle {
  readonly asked: Map<string, ModelWrite>
  readonly accepted: Set<string>
  readonly next: Record<string, number>
}

interface Drained {
  readonly waiting: number
  readonly dead: number
  readonly quarantined: number
}

function runChild(
  args: readonly string[],
  oracle: Oracle,
  kill: ((ready: boolean) => number | undefined) | undefined,
): Promise<Drained | undefined> {
  const child = spawn(process.execPath, [join(import.meta.dirname, 'child.mjs'), ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let drained: Drained | undefined
  const arm = (ready: boolean): void => {
    const afterMs = kill?.(ready)
    if (afterMs !== undefined) setTimeout(() => child.kill('SIGKILL'), afterMs)
  }
  arm(false)
  createInterface({ input: child.stdout }).on('line', (line) => {
    const said = parse(line)
    if (said === undefined) return
    if (said.ready === true) arm(true)
    if (said.asked !== undefined) {
      oracle.asked.set(said.asked.key, said.asked)
      oracle.next[said.asked.lane] = said.asked.n + 1
    }
    if (said.accepted !== undefined) oracle.accepted.add(said.accepted)
    if (said.drained !== undefined) ({ drained } = said)
  })
  return new Promise((resolve, reject) => {
    child.on('close', (code) => {
      if (kill === undefined && code !== 0)
        reject(new Error(`The draining process ended with ${String(code)}.`))
      else resolve(drained)
    })
  })
}

interface Line {
  readonly ready?: boolean
  readonly asked?: ModelWrite
  readonly accepted?: string
  readonly drained?: Drained
}

/** The killed process may leave half a line. */
function parse(line: string): Line | undefined {
  try {
    return JSON.parse(line) as Line
  } catch {
    return undefined
  }
}

function count(
  oracle: Oracle,
  { applied }: ModelServer,
): { lost: number; reordered: number; duplicated: number } {
  const times = new Map<string, number>()
  const latest = new Map<string, number>()
  let reordered = 0
  for (const { key, lane, n } of applied) {
    const before = times.get(key) ?? 0
    times.set(key, before + 1)
    if (before > 0) continue
    if (n < (latest.get(lane) ?? -1)) reordered += 1
    latest.set(lane, Math.max(n, latest.get(lane) ?? -1))
  }
  const lost = [...oracle.accepted].filter((key) => !times.has(key)).length
  const duplicated = [...times.values()].filter((sum) => sum > 1).length
  return { lost, reordered, duplicated }
}

const { values } = parseArgs({
  args: process.argv.slice(2).filter((argument) => argument !== '--'),
  options: { rounds: { type: 'string', default: '30' }, seed: { type: 'string', default: '1' } },
})
const rounds = Number(values.rounds)
const random = seededRandom(Number(values.seed))
const directory = mkdtempSync(join(tmpdir(), 'fhir-outbox-crash-'))
const server = await startModelServer(random, lostReplies)
const oracle: Oracle = {
  asked: new Map(),
  accepted: new Set(),
  next: Object.fromEntries(lanes.map((lane) => [lane, 0])),
}
const childArgs = (mode: string): string[] => [
  directory,
  String(server.port),
  JSON.stringify(oracle.next),
  mode,
]
try {
  for (let round = 1; round <= rounds; round += 1) {
    // Every fourth kill strikes while the store is being opened, the others while it works.
    const inRecovery = round % 4 === 0
    const delay = Math.floor(random() * longestLifeMs)
    await runChild(childArgs('work'), oracle, (ready) => {
      if (inRecovery) return ready ? 0 : 60 + delay
      return ready ? delay : undefined
    })
    if (round % 25 === 0) process.stderr.write(`${round} rounds, ${oracle.accepted.size} accepted\n`)
  }
  const drained = await runChild(childArgs('drain'), oracle, undefined)
  if (drained === undefined || drained.waiting + drained.dead + drained.quarantined > 0) {
    throw new Error(`The queue did not drain: ${JSON.stringify(drained)}`)
  }
  const { lost, reordered, duplicated } = count(oracle, server)
  console.log(`accepted=${oracle.accepted.size} applied=${server.applied.length} lost-replies=${server.lost}`)
  console.log(`rounds=${rounds} lost=${lost} reordered=${reordered} duplicated=${duplicated}`)
  if (lost + reordered + duplicated > 0 || oracle.accepted.size === 0 || server.lost === 0)
    process.exitCode = 1
} finally {
  await server.close()
  rmSync(directory, { recursive: true, force: true })
}
