import type { Evidence, PlanReport } from '@fhir-outbox/data-queue'
import { adviceFor } from './advice.js'

/** What a doctor has found: the server, the queue, and the plans that follow. */
export interface Diagnosis extends PlanReport {
  /** Whether the CapabilityStatement could be read just now. */
  readonly statement: {
    readonly state: 'read' | 'unreadable'
    readonly failure?: { readonly code: string; readonly status?: number }
  }
  readonly queue: {
    readonly directory: string
    readonly state: 'read' | 'none' | 'sealed' | 'unreadable'
    readonly failure?: { readonly code: string; readonly message: string }
    /** What is noted in it about this server. */
    readonly evidence?: Evidence
  }
}

/** For a person, a topic a line. */
export function diagnosisInWords(diagnosis: Diagnosis, tryOut: boolean): string {
  const { gate, evidence, types, bundling, queue } = diagnosis
  const { software, fhirVersion, scopes } = evidence
  return [
    topic('Server', [[gate, software, fhirVersion && `FHIR ${fhirVersion}`].filter(Boolean).join(', ')]),
    topic('Statement', [statementWords(diagnosis)]),
    topic('Scopes', [scopes ?? 'not told']),
    topic('Tried out', triedOut(evidence, tryOut)),
    topic('Queue', queueWords(queue)),
    topic('Bundles', [
      `${bundling.transactions ? 'transactions' : 'one request each in ordered lanes'}. ${bundling.reason}`,
    ]),
    ...Object.entries(types).map(
      ([type, { name, guarantee, reason }]) => `${`${type}:`.padEnd(24)}${name} (${guarantee}). ${reason}`,
    ),
  ].join('\n')
}

function topic(name: string, lines: readonly string[]): string {
  return `${`${name}:`.padEnd(12)}${lines.join(`\n${' '.repeat(12)}`)}`
}

function statementWords({ statement, queue }: Diagnosis): string {
  if (statement.state === 'read') return 'read'
  const { code = '', status } = statement.failure ?? {}
  if (status === undefined) {
    const advice = adviceFor({ code })
    return `the server does not answer now (${code})${advice === undefined ? '' : `. ${advice}`}`
  }
  const why = `${code}, status ${status}`
  return `not readable now (${why}); ${
    queue.evidence?.statement === 'read' ? 'what the queue knows is used' : 'nothing depends on it'
  }`
}

const findingNames: Readonly<Record<string, string>> = {
  conditionalCreate: 'creates once under one condition',
  clientIds: 'takes ids of ours',
  ifNoneMatch: 'refuses a second PUT with If-None-Match',
  ifMatch: 'refuses a stale If-Match',
  transaction: 'a failed transaction leaves nothing behind',
  searchAtOnce: 'finds at once what was created',
}

function triedOut({ canaries }: Evidence, tryOut: boolean): readonly string[] {
  const findings = Object.entries(canaries ?? {}).filter(([, value]) => typeof value === 'boolean')
  if (findings.length === 0)
    return [tryOut ? 'nothing could be tried' : 'nothing; --try does, with a resource that is deleted again']
  return [
    ...(tryOut || canaries === undefined ? [] : [`by the queue, ${canaries.at}`]),
    ...findings.map(([name, value]) => `${findingNames[name] ?? name}: ${value === true ? 'yes' : 'no'}`),
  ]
}

function queueWords({ directory, state, failure, evidence }: Diagnosis['queue']): readonly string[] {
  if (state === 'none') return [`none yet in ${directory}`]
  if (state === 'unreadable') return [`${directory} cannot be read: ${failure?.message ?? ''}`]
  if (state === 'sealed')
    return [
      `${directory} is sealed: what it has learned is told to who has its key as "sealing" in the config`,
    ]
  if (evidence === undefined) return [`${directory} knows nothing of this server yet`]
  const learned = learnedWords(evidence)
  return [
    `${directory} last asked this server at ${evidence.at}`,
    ...(learned.length === 0 ? ['Deliveries have shown nothing that the server did not say.'] : learned),
  ]
}

/** What deliveries have shown, a sentence each. */
function learnedWords({ learned }: Evidence): readonly string[] {
  const { notAtomic, noBundles, entries, bytes, conditionalEntries, types = {} } = learned
  const most = [
    ...(entries === undefined ? [] : [`${entries} entries`]),
    ...(bytes === undefined ? [] : [`${bytes} bytes`]),
    ...(conditionalEntries === undefined ? [] : [`${conditionalEntries} conditional entries`]),
  ]
  return [
    ...(notAtomic === true ? ['Learned: it has run a transaction as a batch.'] : []),
    ...(noBundles === true ? ['Learned: it takes no Bundles.'] : []),
    ...(most.length === 0 ? [] : [`Learned: a Bundle may have at most ${most.join(', ')}.`]),
    ...Object.entries(types).flatMap(([type, { clientIds, conditionalCreate, search, atOnce }]) => {
      const facts = [
        ...(clientIds === false ? ['refuses ids of ours'] : []),
        ...(conditionalCreate === false ? ['does not honour If-None-Exist'] : []),
        ...(search === undefined ? [] : [search ? 'is found by our key' : 'is not found by our key']),
        ...(atOnce === true ? ['is found at once'] : []),
      ]
      return facts.length === 0 ? [] : [`Learned: ${type} ${facts.join(', ')}.`]
    }),
  ]
}
