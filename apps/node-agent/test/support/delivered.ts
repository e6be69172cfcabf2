import { deviceBundle, parseReading, stringifyExact } from '@fhir-outbox/fhir-bundles'
import { createMockServer, type Resource } from '@fhir-outbox/mock-server'
import type { ServerContent } from '../../src/demo/count.js'
import type { Happening } from '../../src/demo/day.js'

/** What a server has that got these happenings, without any code of the queue. */
export async function delivered(happenings: readonly Happening[]): Promise<ServerContent> {
  const mock = createMockServer({ open: true, seed: 3 })
  for (const { kind, json } of happenings) {
    const answer = await mock.fetch(
      new Request(`https://mock.example/fhir${kind === 'answers' ? '/QuestionnaireResponse' : ''}`, {
        method: 'POST',
        headers: { 'content-type': 'application/fhir+json' },
        body: kind === 'reading' ? bundleOf(json) : json,
      }),
    )
    if (!answer.ok) throw new Error(`The mock answered ${answer.status}.`)
  }
  const byType = new Map<string, Resource[]>()
  for (const resource of mock.state.resources())
    byType.set(resource.resourceType, [...(byType.get(resource.resourceType) ?? []), resource])
  return { byType, commits: mock.state.commits }
}

function bundleOf(json: string): string {
  const { bundle } = deviceBundle([parseReading(JSON.parse(json))])
  if (bundle === undefined) throw new Error('The reading makes no bundle.')
  return stringifyExact(bundle)
}
