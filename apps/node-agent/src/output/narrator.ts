import type { Logger } from 'pino'
import type { DataQueue } from '@fhir-outbox/data-queue'
import type { GateStatus } from '@fhir-outbox/queue-core'
import { describeError, report, type Console } from './console.js'
import { closedWords } from './failure.js'

/** Listens to a queue for as long as it is open. */
export interface Narrator {
  readonly listener: Parameters<DataQueue['subscribe']>[0]
  /** Resolves when everything that happened has been told. */
  finished(): Promise<void>
}

/** Tells what happens, without content: sequences, codes and statuses. */
export function narrate(queue: DataQueue, console: Console, log: Logger): Narrator {
  let telling = Promise.resolve()

  /** One after the other, so that lines keep the order of the events. */
  function tell(step: () => Promise<void>): void {
    telling = telling.then(step).catch((error: unknown) => {
      log.warn({ code: describeError(error).code }, 'cannot look into the queue')
    })
  }

  function listener(event: Parameters<Narrator['listener']>[0]): void {
    switch (event.type) {
      case 'delivered':
        log.info({ sequence: event.sequence, attempts: event.attempts }, 'delivered')
        if (console.json) tell(() => tellDelivery(queue, console, event.sequence))
        return
      case 'rejected':
      case 'parked':
      case 'unknown':
      case 'retried': {
        const { code, status } = event.failure
        log.warn({ sequence: event.sequence, code, status }, event.type)
        if (console.json)
          tell(async () => report(console, event.type, { sequence: event.sequence, code, status }, ''))
        return
      }
      case 'gate-closed': {
        const { gate, failure, needsPerson, nextTrialInMs } = event.gate
        log.warn({ gate, code: failure?.code, status: failure?.status, needsPerson, nextTrialInMs }, 'closed')
        tell(() => tellClosed(queue, console, event.gate))
        return
      }
      case 'gate-opened':
        log.info({ gate: event.gate }, 'open again')
        tell(async () => report(console, 'open-again', { gate: event.gate }, `${event.gate} answers again.`))
        return
      case 'storage-failed':
      case 'transport-failed':
        log.error({ code: event.failure.code }, event.type)
        return
      default:
    }
  }

  return { listener, finished: () => telling }
}

async function tellDelivery(queue: DataQueue, console: Console, sequence: number): Promise<void> {
  const receipt = await queue.receipt(sequence)
  report(console, 'delivered', { sequence, ...(receipt === undefined ? {} : { receipt }) }, '')
}

async function tellClosed(queue: DataQueue, console: Console, closed: GateStatus): Promise<void> {
  const { waiting } = await queue.stats()
  const { gate, failure, nextTrialInMs, needsPerson } = closed
  report(
    console,
    'closed',
    { gate, code: failure?.code, status: failure?.status, nextTrialInMs, needsPerson, waiting },
    closedWords(closed, waiting),
  )
}
