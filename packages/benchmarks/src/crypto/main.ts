import { figuresOfPage } from '../browser.js'
import { perSecondOf, rates, type Candidate } from '../measure.js'
import { print, type Figure } from '../report.js'
import { observation } from '../storage/content.js'
import { plain, sealed } from './at-rest.js'
import { bareC3Pro, bareGcm, bareJwe, joseJwe } from './bare-node.js'
import { newRecipient, records, sealing } from './ours.js'

const json = process.argv.includes('--json')
const rounds = process.argv.includes('--quick') ? 1 : 5

interface Case {
  readonly name: string
  readonly ours: Candidate
  readonly limit?: Candidate
  /** Rivals and the ratio aimed at. */
  readonly rivals: readonly (readonly [Candidate, number])[]
  readonly callers: number
}

async function measured({ name, ours, limit, rivals, callers }: Case): Promise<readonly Figure[]> {
  const all = await rates([ours, ...rivals.map(([rival]) => rival)], callers, rounds)
  return rivals.map(([rival, target]) => ({
    bench: 'crypto',
    case: name,
    unit: '/s',
    ours: perSecondOf(all, ours),
    peer: perSecondOf(all, rival),
    peerName: rival.name,
    ...(limit === undefined ? {} : { limit: perSecondOf(all, limit) }),
    target,
  }))
}

const small = new TextEncoder().encode(observation(1))
const large = new TextEncoder().encode('x'.repeat(100_000))
const [rsa2048, rsa3072] = [await newRecipient(2048), await newRecipient(3072)]

function sealingCase(name: string, callers: number, target: number, ours: Candidate, bare: Candidate): Case {
  return { name, ours, limit: bare, rivals: [[bare, target]], callers }
}

const bareRecords = bareGcm(small)
const cases: readonly Case[] = [
  sealingCase(
    'seal 1.2 KB, c3-pro, RSA 2048',
    1,
    0.75,
    sealing('c3-pro', rsa2048, small),
    bareC3Pro(rsa2048, small),
  ),
  sealingCase(
    'seal 1.2 KB, c3-pro, RSA 3072',
    1,
    0.75,
    sealing('c3-pro', rsa3072, small),
    bareC3Pro(rsa3072, small),
  ),
  sealingCase('seal 1.2 KB, jwe, RSA 3072', 1, 0.75, sealing('jwe', rsa3072, small), bareJwe(rsa3072, small)),
  sealingCase(
    'seal 100 KB, jwe, RSA 3072',
    16,
    0.91,
    sealing('jwe', rsa3072, large),
    bareJwe(rsa3072, large),
  ),
  {
    name: 'record of 1.2 KB, shared data key',
    ours: records(small),
    limit: bareRecords,
    rivals: [
      [bareRecords, 0.9],
      [joseJwe(rsa3072, small), 15],
    ],
    callers: 1,
  },
  sealingCase('record of 100 KB, shared data key', 16, 0.91, records(large), bareGcm(large)),
  { name: 'durable enqueue, sealed, 64 callers', ours: sealed, rivals: [[plain, 0.6]], callers: 64 },
]

const figures: Figure[] = []
for (const one of cases) figures.push(...(await measured(one)))
print([...figures, ...(await figuresOfPage(rounds))], json)
