import type { Evidence, Plan, PlanName } from '@fhir-outbox/data-queue'

export const planNames: Readonly<Record<PlanName, string>> = {
  'put-if-none-match': 'Written under an id of ours; a second one is refused',
  'put-client-id': 'Written under an id of ours',
  'conditional-create': 'Created unless our key is there already',
  probe: 'Created; after a lost answer the server is asked first',
  'receiver-deduplicates': 'The receiver drops what it has',
  'at-least-once': 'Created; after a lost answer somebody decides',
  unsupported: 'Not taken: it waits',
}

export const guarantees: Readonly<Record<Plan['guarantee'], string>> = {
  once: 'once',
  'once-or-parked': 'once, or you decide',
  'may-duplicate': 'may be doubled',
  nothing: 'nothing is sent',
}

/** Where a piece of evidence comes from and what it says. */
export interface Fact {
  readonly what: string
  readonly said: string
}

const yesOrNo = (value: boolean | undefined): string =>
  value === undefined ? 'does not say' : value ? 'yes' : 'no'

/** What is known of a server, as a list to read. */
export function factsOf(evidence: Evidence): readonly Fact[] {
  const { statement, statementFailure, software, fhirVersion, transaction, smart, scopes, canaries } =
    evidence
  const facts: Fact[] = [
    {
      what: 'Its own statement',
      said:
        statement === 'read'
          ? [software, fhirVersion === undefined ? undefined : `FHIR ${fhirVersion}`]
              .filter((part) => part !== undefined)
              .join(', ') || 'read'
          : `could not be read${statementFailure?.status === undefined ? '' : ` (status ${statementFailure.status})`}; less is known then`,
    },
    { what: 'Takes transactions', said: yesOrNo(transaction) },
    { what: 'Sign-in (SMART)', said: smart === undefined ? 'not offered' : 'offered' },
    { what: 'Granted to the app', said: scopes ?? 'no scopes are known' },
  ]
  if (canaries !== undefined) {
    facts.push({
      what: 'Tried out',
      said: `on a ${canaries.type}, ${new Date(canaries.at).toLocaleString()}`,
    })
  }
  return facts
}
