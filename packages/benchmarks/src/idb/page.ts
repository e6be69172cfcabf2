import { perSecondOf, quantile, rates } from '../measure.js'
import { bareGroups, bareGroupsRelaxed, bareSingle, ours, oursRelaxed, workbox } from './candidates.js'
import { drainOurs, drainWorkbox } from './drain.js'
import { uploadOurs, uploadWorkbox } from './upload.js'

/** Both in turn, round by round. */
async function pairOf(
  rounds: number,
  ours: () => Promise<number>,
  theirs: () => Promise<number>,
): Promise<{ readonly ours: number; readonly peer: number }> {
  const mine: number[] = []
  const others: number[] = []
  for (let round = 0; round < rounds; round += 1) {
    mine.push(await ours())
    others.push(await theirs())
  }
  return { ours: quantile(mine, 0.5), peer: quantile(others, 0.5) }
}

globalThis.benchmark = async (rounds, server) => {
  const many = await rates([ours, oursRelaxed, bareGroups, bareGroupsRelaxed, workbox], 64, rounds)
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
      case: 'bare groups, 64 callers: what strict costs here',
      ours: perSecondOf(many, bareGroups),
      peer: perSecondOf(many, bareGroupsRelaxed),
      peerName: 'bare relaxed groups (NOT power-safe)',
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
    {
      ...shared,
      case: 'drain with marks and receipts',
      ...(await pairOf(rounds, drainOurs, drainWorkbox)),
      peerName: 'Workbox shiftRequest (NOT power-safe)',
      target: 12,
    },
    {
      ...shared,
      case: 'upload in bundles of 100, with marks and receipts',
      ...(await pairOf(
        rounds,
        () => uploadOurs(server),
        () => uploadWorkbox(server),
      )),
      peerName: 'Workbox replayRequests, one by one (NOT power-safe)',
      target: 30,
    },
  ]
}
