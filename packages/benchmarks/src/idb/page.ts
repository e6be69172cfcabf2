import { perSecondOf, quantile, rates } from '../measure.js'
import type { Figure } from '../report.js'
import { bareGroups, bareSingle, ours, oursRelaxed, workbox } from './candidates.js'
import { drainOurs, drainWorkbox } from './drain.js'

async function drainFigure(rounds: number): Promise<Figure> {
  const mine: number[] = []
  const theirs: number[] = []
  for (let round = 0; round < rounds; round += 1) {
    mine.push(await drainOurs())
    theirs.push(await drainWorkbox())
  }
  return {
    bench: 'idb',
    case: 'drain with marks and receipts',
    unit: '/s',
    ours: quantile(mine, 0.5),
    peer: quantile(theirs, 0.5),
    peerName: 'Workbox shiftRequest (NOT power-safe)',
    target: 12,
  }
}

globalThis.benchmark = async (rounds) => {
  const many = await rates([ours, oursRelaxed, bareGroups, workbox], 64, rounds)
  const one = await rates([ours, bareSingle, workbox], 1, rounds)
  const shared = { bench: 'idb', unit: '/s' }
  const grouped = {
    ...shared,
    case: 'enqueue, 64 callers',
    ours: perSecondOf(many, ours),
    limit: perSecondOf(many, bareGroups),
  }
  return [
    {
      ...grouped,
      peer: perSecondOf(many, workbox),
      peerName: 'Workbox pushRequest (NOT power-safe)',
      target: 12,
    },
    {
      ...grouped,
      peer: perSecondOf(many, oursRelaxed),
      peerName: 'the same with relaxed commits (NOT power-safe)',
      target: 0.85,
    },
    {
      ...shared,
      case: 'enqueue, one caller',
      ours: perSecondOf(one, ours),
      peer: perSecondOf(one, workbox),
      peerName: 'Workbox pushRequest (NOT power-safe)',
      limit: perSecondOf(one, bareSingle),
      target: 1.5,
    },
    await drainFigure(rounds),
  ]
}
