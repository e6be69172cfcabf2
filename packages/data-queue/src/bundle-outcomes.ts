import type { Outcome } from '@fhir-outbox/queue-core'
import { hasOther } from './accepted.js'
import type { SendingContext } from './ahead.js'
import type { EntryAnswer } from './answers.js'
import { classify, outcomeOf } from './classify.js'
import type { Destination, DeliveryWorld } from './destination.js'
import { askable } from './evidence.js'
import { hitsOf } from './hits.js'
import type { Hit } from './probe.js'
import type { Shipment } from './shipment.js'

interface Circumstances {
  readonly world: DeliveryWorld
  readonly destination: Destination
  readonly context: SendingContext
}

/** What the answer to a Bundle shows of each of its entries; what it leaves open is asked for, all at once. */
export async function bundleOutcomes(
  { world, destination, context }: Circumstances,
  shipments: readonly Shipment[],
  answers: readonly EntryAnswer[],
): Promise<readonly Outcome[]> {
  const answerTo = (index: number): EntryAnswer => answers[index] ?? { status: 0, issues: [] }
  const outcomes = shipments.map((shipment, index) => entryOutcome(shipment, answerTo(index), destination))
  const open = shipments.flatMap((shipment, index) => {
    const answer = answerTo(index)
    return isOpen(shipment, answer) ? [{ shipment, answer, index }] : []
  })
  if (open.length === 0) return outcomes
  try {
    const hits = await hitsOf(
      destination,
      open
        .map(({ shipment }) => shipment)
        .filter(({ header: { resourceType: type = '', place } }) => {
          return place !== undefined && askable(destination.dossier.current(), type, place) !== 'no'
        }),
      context.signal,
    )
    for (const { shipment, answer, index } of open) {
      const outcome = outcomes[index]
      if (outcome?.kind !== 'delivered') continue
      const hit = hits.get(shipment.entry.key)
      const found = await lookedAt({ world, destination, context }, shipment, answer, hit)
      outcomes[index] = { ...outcome, receipt: { ...outcome.receipt, ...found } }
    }
  } catch {
    // Stopped meanwhile. What was delivered stays delivered, whatever else could not be found out.
  }
  return outcomes
}

/** A create whose place was not told, or one that the server had before, with whatever content. */
function isOpen({ header, method }: Shipment, { status, id }: EntryAnswer): boolean {
  if (header.place === undefined || method !== 'POST' || status < 200 || status >= 300) return false
  return id === undefined || status === 200
}

async function lookedAt(
  { world, destination, context }: Circumstances,
  shipment: Shipment,
  { status, id, resource }: EntryAnswer,
  hit: Hit | undefined,
): Promise<{ readonly id?: string; readonly version?: string; readonly differs?: true }> {
  const place = id ?? hit?.id
  if (place === undefined) return {}
  const known = { id: place, resource: resource ?? hit?.resource }
  // Nobody is asked for each of them: every question would hold back the outcomes of all.
  const isShown = known.resource !== undefined
  const differs = status === 200 && isShown && (await hasOther(world, destination, shipment, known, context))
  return {
    ...(id === undefined
      ? { id: place, ...(hit?.version === undefined ? {} : { version: hit.version }) }
      : {}),
    ...(differs ? { differs } : {}),
  }
}

/** What one entry of a batch, or of a transaction that was run as one, has come to. */
function entryOutcome(shipment: Shipment, answer: EntryAnswer, { endpoint }: Destination): Outcome {
  const { entry, plan, method } = shipment
  const { sequence } = entry
  const { status, version, issues } = answer
  if (status >= 200 && status < 300) {
    const id = shipment.address ?? answer.id
    const there = status === 200 && method === 'POST'
    return {
      sequence,
      kind: 'delivered',
      receipt: {
        status,
        ...(id === undefined ? {} : { id }),
        ...(version === undefined ? {} : { version }),
        plan: plan.name,
        ...(there ? { alreadyThere: true } : {}),
      },
    }
  }
  const putTwice = plan.name === 'put-if-none-match' && method === 'PUT' && (status === 412 || status === 304)
  if (putTwice || (method === 'DELETE' && (status === 404 || status === 410))) {
    return {
      sequence,
      kind: 'delivered',
      receipt: { status, id: shipment.path, plan: plan.name, alreadyThere: true },
    }
  }
  const error = Object.assign(
    new Error(`POST ${new URL(endpoint.client.baseUrl).pathname} has an entry with status ${status}.`),
    {
      code: 'ERR_HTTP',
      sent: 'yes',
      status,
      issues,
    },
  )
  const verdict = classify(error)
  if (verdict.kind === 'applied') return { sequence, kind: 'delivered', receipt: verdict.receipt }
  // By itself, with all that a single request has to itself, it may still pass.
  if (verdict.kind === 'rejected' && (status === 412 || status === 404 || status === 405 || status === 501)) {
    return { sequence, kind: 'not-sent', failure: verdict.failure, spent: true, delayMs: 0 }
  }
  return outcomeOf(verdict, entry, false, true)
}
