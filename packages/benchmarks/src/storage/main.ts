import { print, type Figure } from '../report.js'
import { rates, type Rate } from '../measure.js'
import * as candidates from './candidates.js'
import { depthFigures, reportOpening } from './depth.js'
import { drainFigures } from './drain.js'

const json = process.argv.includes('--json')
const rounds = process.argv.includes('--quick') ? 1 : 5

const rateOf = (all: readonly Rate[], { name }: { readonly name: string }): Rate => {
  const found = all.find((rate) => rate.name === name)
  if (found === undefined) throw new Error(`${name} was not measured`)
  return found
}

async function enqueueFigures(): Promise<readonly Figure[]> {
  const { ours, bareGroupCommit, rawAppend, sqlite, lmdb, levelBatched, levelSync, safeFiles } = candidates
  const many = await rates([ours, bareGroupCommit, sqlite, lmdb, levelBatched, safeFiles], 64, rounds)
  const one = await rates([ours, rawAppend, levelSync], 1, rounds)
  const mine = rateOf(many, ours)
  const limit = rateOf(many, bareGroupCommit)
  const beside = (rival: { readonly name: string; readonly powerSafe: boolean }, target: number): Figure => ({
    bench: 'storage',
    case: 'enqueue, 64 callers',
    unit: '/s',
    ours: mine.perSecond,
    peer: rateOf(many, rival).perSecond,
    peerName: `${rival.name} (${rival.powerSafe ? 'power-safe' : 'NOT power-safe'})`,
    limit: limit.perSecond,
    target,
  })
  const alone = rateOf(one, ours)
  return [
    beside(bareGroupCommit, 0.95),
    beside(sqlite, 8),
    beside(lmdb, 1.2),
    beside(levelBatched, 1.5),
    beside(safeFiles, 25),
    {
      bench: 'storage',
      case: 'p99 of one enqueue, 64 callers',
      unit: 'ms',
      ours: mine.p99Ms,
      peer: limit.p99Ms,
      peerName: bareGroupCommit.name,
      target: 1,
      sense: 'at-most',
    },
    ...[
      { rival: rawAppend, target: 0.85 },
      { rival: levelSync, target: 1.1 },
    ].map(({ rival, target }) => ({
      bench: 'storage',
      case: 'enqueue, one caller',
      unit: '/s',
      ours: alone.perSecond,
      peer: rateOf(one, rival).perSecond,
      peerName: `${rival.name} (power-safe)`,
      limit: rateOf(one, rawAppend).perSecond,
      target,
    })),
  ]
}

const [, , flag, directory] = process.argv
if (flag === '--open' && directory !== undefined) await reportOpening(directory)
else print([...(await enqueueFigures()), ...(await drainFigures(rounds)), ...(await depthFigures())], json)
