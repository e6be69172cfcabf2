import type { Evidence } from './evidence.js'
import { choosePlan, runsAtomically, type ForcedPlan, type KeyMode, type Plan } from './plan.js'
import { keyPlace } from './key.js'
import type { PlanReport } from './types.js'

/** Types that a report shows when nobody says which and the server lists too many. */
const usual = ['Observation', 'Patient', 'QuestionnaireResponse', 'Device', 'DocumentReference', 'Binary']

/** What follows from evidence, type by type, in words. */
export function planReport(
  gate: string,
  evidence: Evidence,
  options: {
    readonly types?: readonly string[] | undefined
    readonly keyMode?: KeyMode | undefined
    readonly forced?: ((type: string) => ForcedPlan | undefined) | undefined
    readonly transactions?: 'proven' | 'trusted' | 'never' | undefined
  } = {},
): PlanReport {
  const plans = (options.types ?? usual).map((type): [string, Plan] => {
    const forced = options.forced?.(type)
    const place = options.keyMode === 'client-id' ? 'id' : keyPlace(type)
    return [
      type,
      choosePlan(
        { interaction: 'create', type, place, ...(forced === undefined ? {} : { forced }) },
        evidence,
      ),
    ]
  })
  return {
    gate,
    evidence,
    types: Object.fromEntries(plans),
    bundling: bundlingOf(evidence, options.transactions),
  }
}

function bundlingOf(
  evidence: Evidence,
  mode: 'proven' | 'trusted' | 'never' = 'proven',
): PlanReport['bundling'] {
  const { learned, canaries, transaction } = evidence
  const batches = mode !== 'never' && learned.noBundles !== true && evidence.batch !== false
  if (mode === 'never')
    return { transactions: false, batches, reason: 'Switched off by option: one request each.' }
  if (learned.noBundles === true)
    return { transactions: false, batches, reason: 'The server takes no Bundles.' }
  if (learned.notAtomic === true) {
    return { transactions: false, batches, reason: 'The server has run a transaction as a batch.' }
  }
  if (canaries?.transaction === false) {
    return {
      transactions: false,
      batches,
      reason: 'Tried out: a transaction with a bad entry left the good one behind.',
    }
  }
  if (canaries?.transaction === true) {
    return {
      transactions: true,
      batches,
      reason: 'Tried out: a transaction with a bad entry left nothing behind.',
    }
  }
  const transactions = runsAtomically(evidence, mode === 'trusted')
  if (transactions)
    return { transactions, batches, reason: 'The server says that it takes transactions, and is trusted.' }
  return {
    transactions,
    batches,
    reason:
      transaction === true
        ? 'The server says that it takes transactions; that they are all or nothing is not proven.'
        : 'Nothing is known about transactions.',
  }
}
