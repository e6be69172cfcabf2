import {
  choosePlan,
  combineEvidence,
  gatherEvidence,
  planReport,
  type Evidence,
  type Plan,
  type PlanReport,
} from '@fhir-outbox/data-queue'
import { createFhirClient } from '@fhir-outbox/fhir-client'
import { keepAliveSender } from '@fhir-outbox/fhir-client/node'
import type { TokenSource } from '@fhir-outbox/smart-auth'
import type { Settings } from '../config/load.js'
import { exitCodes, type ExitCode } from '../exit-codes.js'
import { describeError, report, type Console } from '../output/console.js'
import { diagnosisInWords, type Diagnosis } from '../output/diagnosis.js'
import { knowledgeOf, type Knowledge } from '../queue/knowledge.js'
import { queueFolder } from '../queue/open.js'
import { tokenSource } from '../queue/tokens.js'

/** What a doctor is asked. */
export interface DoctorOptions {
  /** Resource types to plan for. Default: the usual ones. */
  readonly types?: readonly string[]
  /** Also creates a harmless resource, tries the server out with it, and deletes it again. */
  readonly tryOut: boolean
  readonly signal: AbortSignal
}

/**
 * What the server can do, what the queue has learned about it, how writes are made safe to repeat on it, and why.
 * Sends none of the queue and changes nothing in it. What is wrong with the credentials or the queue is told after
 * the rest.
 */
export async function doctor(
  settings: Settings,
  options: DoctorOptions,
  console: Console,
): Promise<ExitCode> {
  const { server: url, auth, directory, clientSecret } = settings
  const tokens = await tokenSource(auth, {
    url,
    directory,
    name: 'client',
    ...(clientSecret === undefined ? {} : { clientSecret }),
  })
  const signIn = await signInFailure(tokens, url, options.signal)
  const client = createFhirClient({
    baseUrl: url,
    // As deliveries go: what it finds is what they meet.
    send: keepAliveSender(),
    ...(tokens === undefined ? {} : { tokens }),
  })
  const knowledge = await knowledgeOf(settings, client)
  const fresh = await gatherEvidence({
    client,
    tokens,
    signal: options.signal,
    canaries: options.tryOut ? (settings.canaries ?? {}) : undefined,
  })
  const diagnosis = diagnose(settings, fresh, knowledge, options.types)
  report(console, 'diagnosis', { ...diagnosis }, diagnosisInWords(diagnosis, options.tryOut))
  if (signIn !== undefined) throw signIn.error
  if (knowledge.state === 'unreadable') throw knowledge.error
  // A statement that nobody may read is no trouble; a server that is not there is.
  const { statementFailure } = fresh
  const unheard = statementFailure !== undefined && statementFailure.status === undefined
  return unheard ? exitCodes.unreachable : exitCodes.ok
}

/** Credentials that do not work are what a person wants to hear of, but not instead of everything else. */
async function signInFailure(
  tokens: TokenSource | undefined,
  url: string,
  signal: AbortSignal,
): Promise<{ readonly error: unknown } | undefined> {
  try {
    await tokens?.getToken({ url, signal })
    return undefined
  } catch (error) {
    signal.throwIfAborted()
    return { error }
  }
}

function diagnose(
  settings: Settings,
  fresh: Evidence,
  { state, error, evidence: known }: Knowledge,
  types: readonly string[] | undefined,
): Diagnosis {
  const { server, key: keyMode, transactions } = settings
  const evidence = known === undefined ? fresh : goingBy(fresh, known, settings)
  const planned = planReport(server, evidence, { types, keyMode, transactions })
  const { statement, statementFailure: failure } = fresh
  return {
    ...withEncrypted(planned, settings),
    statement: { state: statement, ...(failure === undefined ? {} : { failure }) },
    queue: {
      directory: queueFolder(settings),
      state,
      ...(error === undefined ? {} : { failure: failureOf(error) }),
      ...(known === undefined ? {} : { evidence: known }),
    },
  }
}

/** What the queue goes by when it asks anew. One that tries servers out goes by its findings, until it tries again. */
function goingBy(fresh: Evidence, known: Evidence, settings: Settings): Evidence {
  const combined = combineEvidence(known, fresh)
  const { canaries } = known
  const keeps = settings.canaries !== undefined && fresh.canaries === undefined && canaries !== undefined
  return keeps && combined.software === known.software ? { ...combined, canaries } : combined
}

/** What is encrypted goes elsewhere, under a plan of its own. */
function withEncrypted(planned: PlanReport, { encryption }: Settings): PlanReport {
  if (encryption === undefined) return planned
  const { types, receiver = 'keeps-everything' } = encryption
  const plan = choosePlan({ interaction: 'create', encryptedFor: receiver })
  const replaced = Object.entries(planned.types).map(([type, open]): [string, Plan] => [
    type,
    types === undefined || types.includes(type) ? plan : open,
  ])
  return { ...planned, types: Object.fromEntries(replaced) }
}

function failureOf(error: unknown): { readonly code: string; readonly message: string } {
  const { code, message } = describeError(error)
  return { code, message }
}
