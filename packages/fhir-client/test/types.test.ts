import type * as r4 from 'fhir/r4.js'
import { expectTypeOf, it } from 'vitest'
import { createFhirClient, type FhirResource, type SearchPage } from '../src/index.js'
import { fhir, scriptedSender } from './support/scripted-sender.js'

const baseUrl = 'https://fhir.example.test/r4'
const patient: r4.Patient = { resourceType: 'Patient', id: 'p1', active: true }
const found = { resourceType: 'Bundle', entry: [{ resource: patient }] }

it('answers have the type of the name asked for, out of the union the client is for', async () => {
  const send = scriptedSender(fhir(200, patient), fhir(200, found), fhir(201, patient), fhir(200, patient))
  const client = createFhirClient<r4.FhirResource>({ baseUrl, send })
  const read = await client.read('Patient', 'p1')
  expectTypeOf(read.resource).toEqualTypeOf<r4.Patient | undefined>()
  const page = await client.search('Observation')
  expectTypeOf(page).toEqualTypeOf<SearchPage<r4.Observation>>()
  const created = await client.create(patient)
  expectTypeOf(created.resource?.name).toEqualTypeOf<r4.HumanName[] | undefined>()
  const patched = await client.patch('Patient', 'p1', [{ op: 'remove', path: '/active' }])
  expectTypeOf(patched.resource).toEqualTypeOf<r4.Patient | undefined>()
  expectTypeOf(client.pages('Encounter')).toEqualTypeOf<AsyncIterableIterator<SearchPage<r4.Encounter>>>()
})

it('names outside the union and names not known in advance are allowed', async () => {
  const client = createFhirClient<r4.Patient | r4.Observation>({
    baseUrl,
    send: scriptedSender(fhir(200, { resourceType: 'Custom', id: 'c1' }), fhir(200, patient)),
  })
  expectTypeOf((await client.read('Custom', 'c1')).resource).toEqualTypeOf<FhirResource | undefined>()
  const type = String('Patient')
  expectTypeOf((await client.read(type, 'p1')).resource).toEqualTypeOf<
    r4.Patient | r4.Observation | undefined
  >()
})

it('a single call may name its own type', async () => {
  const client = createFhirClient({
    baseUrl,
    send: scriptedSender(fhir(200, patient), fhir(200, patient), fhir(200, found)),
  })
  expectTypeOf((await client.read<r4.Patient>('Patient', 'p1')).resource).toEqualTypeOf<
    r4.Patient | undefined
  >()
  expectTypeOf((await client.read('Patient', 'p1')).resource).toEqualTypeOf<FhirResource | undefined>()
  const { matches } = await client.search<r4.Patient>('Patient')
  expectTypeOf(matches).toEqualTypeOf<readonly r4.Patient[]>()
})

it('bundles and parameters of R4 types are taken as they are', async () => {
  const bundle: r4.Bundle = { resourceType: 'Bundle', type: 'transaction', entry: [] }
  const parameters: r4.Parameters = {
    resourceType: 'Parameters',
    parameter: [{ name: 'x', valueString: 'y' }],
  }
  const client = createFhirClient<r4.FhirResource>({
    baseUrl,
    send: scriptedSender(fhir(200, bundle), fhir(200, parameters), fhir(200, patient)),
  })
  expectTypeOf((await client.transaction(bundle)).status).toEqualTypeOf<number>()
  expectTypeOf(await client.operation<r4.Parameters>('validate', { input: parameters })).toMatchTypeOf<{
    resource?: r4.Parameters
  }>()
  await client.patch('Patient', 'p1', parameters)
})
