import type { PatientIdentity } from '@fhir-outbox/fhir-bundles'
import { useRef, useState } from 'preact/hooks'
import type { App } from '../app-state.js'
import { demoPatient } from '../model/demo-people.js'
import { pointsOfBundle } from '../model/points.js'

export interface StoredReading {
  /** The number of the reading that was stored last. */
  readonly sequence: number | undefined
  /** Why the last reading was not stored. */
  readonly problem: string | undefined
  /**
   * `bundle` makes the reading, about the patient it is given. Does nothing while another one is being stored: two quick
   * presses of a button are one.
   */
  store(bundle: (patient: PatientIdentity) => string | Promise<string>): Promise<boolean>
}

/** The patient of the sign-in, also when the server has ended it: what is measured meanwhile is about the same person. */
function patientOf({ session }: App): PatientIdentity {
  const id = session.signIn?.login.get()?.patient
  return id === undefined ? { identifier: demoPatient } : { id }
}

function problemOf(error: unknown): string {
  // Only errors of our packages have a code, and only they are known to keep the reading out of their text.
  if (!(error instanceof Error && 'code' in error)) return 'Not stored, for a reason that is not known.'
  switch (error.code) {
    case 'ERR_QUEUE_FULL':
      return `Not stored: the outbox is full. Deliver or discard readings first. (${error.message})`
    case 'ERR_STORAGE_FAILED':
      return `Not stored: the browser has no room or refused to write. Make room, then store it again. (${error.message})`
    default:
      return `Not stored. ${error.message}`
  }
}

/** Puts a reading into the outbox. It is stored when `store` resolves to true, and not at all otherwise. */
export function useStoreReading(app: App): StoredReading {
  const [sequence, setSequence] = useState<number>()
  const [problem, setProblem] = useState<string>()
  const storing = useRef(false)
  return {
    sequence,
    problem,
    async store(make) {
      if (storing.current) return false
      storing.current = true
      try {
        const bundle = await make(patientOf(app))
        const { queue, envelopes } = app.session
        await envelopes.check()
        const sealedBefore = envelopes.on()
        const stored = await queue.enqueue(bundle, { transaction: true })
        // What is in an envelope is for its receiver, and for nobody who comes to this page later.
        // It may have been chosen while the reading was stored: then it is not known how that was done.
        if (!sealedBefore && !envelopes.on()) app.contents.learn(stored.sequence, pointsOfBundle(bundle))
        setSequence(stored.sequence)
        setProblem(undefined)
        return true
      } catch (error) {
        setProblem(problemOf(error))
        return false
      } finally {
        storing.current = false
      }
    },
  }
}
