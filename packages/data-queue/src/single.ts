import type { FhirResponse } from '@fhir-outbox/fhir-client'
import type { Failure, Outcome } from '@fhir-outbox/queue-core'
import type { SendingContext } from './ahead.js'
import { accepted } from './accepted.js'
import { planOf, type Destination, type DeliveryWorld, type Item } from './destination.js'
import { refusal, type GiveWay } from './refusal.js'
import { headersOf, prepareShipment, type Shipment } from './shipment.js'
import { withoutConditions } from './strip.js'

const mostPlans = 5
/** How old evidence may be that keeps an entry from being tried. */
const unsupportedMs = 10 * 60_000

/** Sends one entry in a request of its own and says what that showed. */
export async function sendSingle(
  world: DeliveryWorld,
  destination: Destination,
  item: Item,
  context: SendingContext,
): Promise<Outcome> {
  const { sequence } = item.entry
  let refused: Failure | undefined
  for (let turn = 0; turn < mostPlans; turn++) {
    let plan = planOf(item, destination, world)
    if (plan.name === 'unsupported' && refused === undefined) {
      // Somebody may have put it right since we looked.
      await destination.dossier.consult(context.signal, unsupportedMs)
      plan = planOf(item, destination, world)
    }
    if (plan.name === 'unsupported') {
      return {
        sequence,
        // What was sent before may have been applied, whatever the server takes by now.
        kind: item.entry.state === 'unknown' ? 'unknown' : 'not-sent',
        failure: refused ?? { code: 'ERR_UNSUPPORTED', message: plan.reason },
      }
    }
    let shipment = await prepareShipment(item, plan, destination, world)
    if ('kind' in shipment) return shipment
    if (stripsConditions(shipment, destination))
      shipment = { ...shipment, body: withoutConditions(shipment.body) }
    const result = await attempt(world, destination, shipment, context)
    if (!('giveWay' in result)) return result
    refused = result.giveWay
  }
  return {
    sequence,
    kind: 'rejected',
    failure: refused ?? { code: 'ERR_UNSUPPORTED', message: 'No plan was accepted.' },
  }
}

/** A server that takes few conditions gets none, where one resource of the transaction can tell about all. */
function stripsConditions({ header, plan }: Shipment, { dossier }: Destination): boolean {
  const { conditionalEntries } = dossier.current().learned
  return (
    header.entries !== undefined &&
    plan.unknown === 'ask' &&
    conditionalEntries !== undefined &&
    header.entries > conditionalEntries
  )
}

async function attempt(
  world: DeliveryWorld,
  destination: Destination,
  shipment: Shipment,
  context: SendingContext,
): Promise<Outcome | GiveWay> {
  const { entry, plan } = shipment
  const { endpoint, seen } = destination
  await context.mark([entry.sequence], { plan: plan.name, kind: 'single', at: world.now() })
  let response: FhirResponse
  try {
    const answer = endpoint.client.request({
      method: shipment.method,
      path: shipment.path,
      headers: headersOf(shipment, destination),
      ...(shipment.method === 'DELETE' ? {} : { body: shipment.body }),
      expect: endpoint.takes === 'fhir' ? 'fhir' : 'any',
      signal: context.signal,
    })
    context.meanwhile?.()
    response = await answer
  } catch (error) {
    // The outbox stops or lost the lease: it decides from the mark, not from us.
    if (context.signal.aborted) throw error
    return await refusal(world, destination, shipment, error, context)
  }
  seen.worked = true
  seen.doubtful = false
  seen.forbidden = 0
  return await accepted(world, destination, shipment, response, context)
}
