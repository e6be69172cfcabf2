import { gatherEvidence, planReport, type PlanReport } from '@fhir-outbox/data-queue'
import { createFhirClient } from '@fhir-outbox/fhir-client'
import type { Settings } from '../config/load.js'
import { exitCodes, type ExitCode } from '../exit-codes.js'
import { report, type Console } from '../output/console.js'
import { tokenSource } from '../queue/tokens.js'

/** What a doctor is asked. */
export interface DoctorOptions {
  /** Resource types to plan for. Default: the usual ones. */
  readonly types?: readonly string[]
  /** Also creates a harmless resource, tries the server out with it, and deletes it again. */
  readonly tryOut: boolean
  readonly signal: AbortSignal
}

/** What the server can do, how writes would be made safe to repeat on it, and why. Sends none of the queue. */
export async function doctor(
  settings: Settings,
  { types, tryOut, signal }: DoctorOptions,
  console: Console,
): Promise<ExitCode> {
  const { server: url, auth, directory, clientSecret } = settings
  const tokens = await tokenSource(auth, {
    url,
    directory,
    name: 'client',
    ...(clientSecret === undefined ? {} : { clientSecret }),
  })
  // Credentials that do not work are the first thing a person wants to hear of.
  await tokens?.getToken({ url, signal })
  const client = createFhirClient({ baseUrl: url, ...(tokens === undefined ? {} : { tokens }) })
  const evidence = await gatherEvidence({ client, tokens, signal, ...(tryOut ? { canaries: {} } : {}) })
  const found = planReport(client.baseUrl, evidence, { types, keyMode: settings.key })
  report(console, 'diagnosis', { ...found }, inWords(found, tryOut))
  return exitCodes.ok
}

function inWords({ gate, evidence, types, bundling }: PlanReport, tryOut: boolean): string {
  const { software, fhirVersion, statement, statementFailure, scopes, canaries } = evidence
  const why = [statementFailure?.code, statementFailure?.status]
    .filter((part) => part !== undefined)
    .join(', ')
  const findings =
    canaries === undefined ? [] : Object.entries(canaries).filter(([, value]) => typeof value === 'boolean')
  const tried = findings.map(([name, value]) => `${names[name] ?? name}: ${value === true ? 'yes' : 'no'}`)
  return [
    `Server:     ${gate}${software === undefined ? '' : `, ${software}`}${fhirVersion === undefined ? '' : `, FHIR ${fhirVersion}`}`,
    `Statement:  ${statement === 'read' ? 'read' : `not readable (${why}); nothing depends on it`}`,
    `Scopes:     ${scopes ?? 'not told'}`,
    `Tried out:  ${tried.length > 0 ? tried.join('\n            ') : tryOut ? 'nothing could be tried' : 'nothing; --try does, with a resource that is deleted again'}`,
    `Bundles:    ${bundling.transactions ? 'transactions' : 'one request each in ordered lanes'}. ${bundling.reason}`,
    ...Object.entries(types).map(
      ([type, { name, guarantee, reason }]) => `${`${type}:`.padEnd(24)}${name} (${guarantee}). ${reason}`,
    ),
  ].join('\n')
}

const names: Readonly<Record<string, string>> = {
  conditionalCreate: 'creates once under one condition',
  clientIds: 'takes ids of ours',
  ifNoneMatch: 'refuses a second PUT with If-None-Match',
  ifMatch: 'refuses a stale If-Match',
  transaction: 'a failed transaction leaves nothing behind',
  searchAtOnce: 'finds at once what was created',
}
