import {
  deviceBundle,
  parseReading,
  type Reading,
  stringifyExact,
  toPlainJson,
} from '@fhir-outbox/fhir-bundles'
import { readingFromGatt } from '@fhir-outbox/fhir-bundles/gatt'
import { simulateDevice, type SimulatedKind } from '@fhir-outbox/fhir-bundles/simulate'
import { quantile } from '../measure.js'
import { print, type Figure } from '../report.js'

const json = process.argv.includes('--json')
const rounds = process.argv.includes('--quick') ? 1 : 5

/** A day of a patient with six devices, as parsed readings: what a queue or a gateway has in its hands. */
const kinds: readonly SimulatedKind[] = [
  'blood-pressure-cuff',
  'glucometer',
  'heart-rate-strap',
  'oximeter',
  'scale',
  'thermometer',
]
const day = kinds.flatMap((kind) =>
  simulateDevice(kind, { seed: 1, clock: () => Date.UTC(2026, 2, 2) }).packets.map(({ receivedAt, values }) =>
    parseReading(
      readingFromGatt(values, {
        gateway: { systemId: '4C-4E-49-12-34-56-FF-FE' },
        patient: { identifier: { system: 'urn:oid:2.999.1', value: '4711' } },
        receivedAt,
      }),
    ),
  ),
)

/** Readings in turn, so many to a bundle. */
function batches(size: number): () => readonly Reading[] {
  let at = 0
  return () => {
    at = at + size > day.length ? size : at + size
    return day.slice(at - size, at)
  }
}

type Work = () => number

/** Engines put off joining the parts of a text until somebody reads it, so both are read. */
function read(text: string): number {
  return text.charCodeAt(text.length >> 1)
}

function ours(size: number): Work {
  const next = batches(size)
  return () => read(stringifyExact(deviceBundle(next()).bundle))
}

/** The same bundles as plain objects, made beforehand: what no builder can be faster than. */
function limit(size: number): Work {
  const plain = Array.from({ length: Math.ceil(day.length / size) }, batches(size)).map((readings) =>
    toPlainJson(deviceBundle(readings).bundle),
  )
  let at = 0
  return () => {
    at = (at + 1) % plain.length
    return read(JSON.stringify(plain[at]))
  }
}

const sliceMs = 60
const warmUps = 8
/** Kept, so that no engine finds that nobody wants the texts. */
let written = 0

/**
 * Both in turn, by the time on the processor: the work is all computation, and what else runs on the machine does not
 * count. Medians of the slices.
 */
function perSecond(works: readonly Work[], slices: number): readonly number[] {
  const rates = works.map((): number[] => [])
  for (let slice = -warmUps; slice < slices; slice += 1) {
    for (const [index, work] of works.entries()) {
      const start = process.cpuUsage()
      let [count, ms] = [0, 0]
      while (ms < sliceMs) {
        written += work()
        count += 1
        ms = process.cpuUsage(start).user / 1000
      }
      if (slice >= 0) rates[index]?.push(count / (ms / 1000))
    }
  }
  return rates.map((all) => quantile(all, 0.5))
}

const figures: Figure[] = [1, 12, 40].map((size) => {
  const [mine = 0, theirs = 0] = perSecond([ours(size), limit(size)], rounds * 5)
  return {
    bench: 'bundles',
    case: size === 1 ? 'one reading to a bundle' : `${size} readings to a bundle`,
    unit: '/s',
    ours: mine,
    limit: theirs,
    target: 0.4,
  }
})
if (written === 0) throw new Error('Nothing was written')
print(figures, json)
