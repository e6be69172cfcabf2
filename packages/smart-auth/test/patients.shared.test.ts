import { describe, expect, it } from 'vitest'
import { selectPatient, type PatientChoice, type Session } from '@fhir-outbox/smart-auth'
import { failure, json } from './support/fake-fetch.js'
import { base, peopleServer, type PeopleServer } from './support/people-server.js'

const searches = (people: PeopleServer): readonly string[] =>
  people.sent.map(({ url }) => url).filter((url) => url.startsWith(`${base}/Patient`))

describe('the scopes of a mode', () => {
  it.each([
    ['token-only', 'patient/*.rs'],
    ['server-select', 'launch/patient patient/*.rs'],
    ['client-select', 'patient/*.rs'],
    ['single-patient', 'launch/patient openid fhirUser patient/*.rs'],
  ] as const)('%s: %s', async (patientMode, scope) => {
    const people = await peopleServer()
    for (const asked of ['patient/*.rs', scope, `${scope} patient/*.rs`]) {
      const url = await people.begin({ patientMode, scope: asked })
      expect(url.searchParams.get('scope')?.split(' ').toSorted()).toEqual(scope.split(' ').toSorted())
    }
  })

  it('launch-context needs the launch of an EHR', async () => {
    const people = await peopleServer()
    expect((await failure(people.begin({ patientMode: 'launch-context' }))).code).toBe('ERR_INVALID_OPTIONS')
    expect((await failure(people.begin({ patientMode: 'all' as 'token-only' }))).code).toBe(
      'ERR_INVALID_OPTIONS',
    )
  })
})

describe('single-patient', () => {
  const patientMode = 'single-patient'

  it('takes the patient that the server names, and looks at no other', async () => {
    const people = await peopleServer({
      token: () => ({ patient: 'p1' }),
      claims: { fhirUser: 'Patient/other' },
    })
    const session = await people.logIn({ patientMode })
    expect(session).toMatchObject({ patient: 'p1', patientSource: 'server' })
    expect(searches(people)).toEqual([])
  })

  it.each(['Patient/p2', `${base}/Patient/p2`])('else the person: fhirUser %s', async (fhirUser) => {
    const people = await peopleServer({ claims: { fhirUser } })
    const session = await people.logIn({ patientMode })
    expect(session).toMatchObject({ patient: 'p2', patientSource: 'fhir-user', fhirUser })
    expect(searches(people)).toEqual([])
  })

  it('else the only one that is visible, by its id alone', async () => {
    const people = await peopleServer({ patients: [{ id: 'p3' }], claims: { fhirUser: 'RelatedPerson/r' } })
    const session = await people.logIn({ patientMode })
    expect(session).toMatchObject({ patient: 'p3', patientSource: 'only-visible' })
    expect(searches(people)).toEqual([`${base}/Patient?_count=2&_elements=id`])
  })

  it.each([
    ['nobody is visible', { patients: [] }],
    ['several are visible', { patients: [{ id: 'a', name: 'marker' }, { id: 'b' }] }],
    [
      'the person is a patient elsewhere',
      {
        patients: [{ id: 'a' }, { id: 'b' }],
        claims: { fhirUser: 'https://evil.example.test/r4/Patient/p2' },
      },
    ],
    ['the person is a practitioner', { patients: [], claims: { fhirUser: 'Practitioner/d' } }],
    [
      'the address of the person goes elsewhere',
      { patients: [], claims: { fhirUser: 'Patient/../Practitioner/d' } },
    ],
  ])('says so when %s, shows no names, and gives the tokens back', async (_name, bend) => {
    // prettier-ignore
    const people = await peopleServer(bend)
    const error = await failure(people.logIn({ patientMode }))
    expect(error.code).toBe('ERR_NO_SINGLE_PATIENT')
    expect(JSON.stringify(error)).not.toContain('marker')
    expect(searches(people)).toEqual([`${base}/Patient?_count=2&_elements=id`])
    expect(people.sent.every(({ url }) => !url.includes('evil'))).toBe(true)
    expect(people.sentTo('/revoke').map(({ form }) => form.get('token'))).toEqual(['refresh-1', 'access-1'])
    expect(await people.store.ids()).toEqual([])
  })

  it.each([
    [{ fhirUser: 'Practitioner/d' }, 'Practitioner/d'],
    [{ fhirUser: `${base}/Person/1` }, `${base}/Person/1`],
    [{ profile: 'PractitionerRole/r' }, 'PractitionerRole/r'],
    [{ profile: 'https://pages.example.test/me' }, undefined],
    [{ fhirUser: 'Group/g', profile: 'Patient/p' }, 'Patient/p'],
    [{ fhirUser: 'Patient/p/_history/1' }, undefined],
    [{ fhirUser: 7 }, undefined],
  ])('the person of %j is %s', async (claims, expected) => {
    const people = await peopleServer({ claims })
    expect((await people.logIn()).fhirUser).toBe(expected)
  })

  it('is remembered', async () => {
    const people = await peopleServer({ claims: { fhirUser: 'Patient/p2' } })
    const session = await people.logIn({ patientMode })
    people.now += 600_000
    expect(await session.getToken({ url: base })).toMatchObject({ value: 'access-2', patient: 'p2' })
  })
})

describe('selectPatient', () => {
  const two = [{ id: 'a', name: [{ text: 'A' }] }, { id: 'b' }]

  async function begun(
    patients: readonly Record<string, unknown>[],
  ): Promise<{ people: PeopleServer; session: Session }> {
    const people = await peopleServer({ patients })
    return { people, session: await people.logIn({ patientMode: 'client-select' }) }
  }

  it('asks nobody when exactly one patient is visible', async () => {
    const { people, session } = await begun([{ id: 'a' }])
    const choose = (): Promise<string> => Promise.reject(new Error('asked'))
    expect(await selectPatient(session, { choose, fetch: people.fetch })).toEqual({
      outcome: 'selected',
      patient: 'a',
      by: 'only-visible',
    })
    expect(session).toMatchObject({ patient: 'a', patientSource: 'chosen' })
  })

  it('lets the person choose, and choose again without a new login', async () => {
    const { people, session } = await begun(two)
    const seen: PatientChoice[] = []
    const take = (id: string) => async (pages: AsyncIterable<readonly PatientChoice[]>) => {
      for await (const page of pages) seen.push(...page)
      return id
    }
    const options = { fetch: people.fetch, pageSize: 5 }
    expect(await selectPatient(session, { ...options, choose: take('b') })).toMatchObject({
      patient: 'b',
      by: 'chosen',
    })
    expect(seen.map(({ id }) => id)).toEqual(['a', 'b'])
    await selectPatient(session, { ...options, choose: take('a'), search: { name: 'A' } })
    expect(session.patient).toBe('a')
    expect(searches(people).at(-1)).toBe(`${base}/Patient?name=A&_count=5`)
    await session.setPatient(undefined)
    expect([session.patient, (await session.getToken({ url: base })).patient]).toEqual([undefined, undefined])
    expect(people.sentTo('/token')).toHaveLength(1)
  })

  it('tells nobody chosen from given up', async () => {
    const { people, session } = await begun(two)
    expect(await selectPatient(session, { choose: async () => undefined, fetch: people.fetch })).toEqual({
      outcome: 'none-selected',
    })
    const controller = new AbortController()
    const choose = async (): Promise<string> => {
      controller.abort()
      return 'a'
    }
    const given = selectPatient(session, { choose, signal: controller.signal, fetch: people.fetch })
    await expect(given).rejects.toMatchObject({ name: 'AbortError' })
    expect(session.patient).toBeUndefined()
  })

  it('takes a token of the moment for each page', async () => {
    const { people, session } = await begun(two)
    const next = [{ relation: 'next', url: `${base}/Patient?page=2` }]
    const fetch: typeof people.fetch = async (url, init) =>
      url.includes('_count=20')
        ? json({ resourceType: 'Bundle', entry: [], link: next })
        : people.fetch(url, init)
    const choose = async (pages: AsyncIterable<readonly PatientChoice[]>): Promise<string> => {
      // Reading a page takes a person longer than a token lives.
      for await (const page of pages) people.now += page.length === 0 ? 600_000 : 0
      return 'a'
    }
    await selectPatient(session, { choose, fetch })
    const last = people.sent.filter(({ url }) => url.includes('page=2')).at(-1)
    expect(last?.headers['authorization']).toBe('Bearer access-2')
  })

  it('refuses what is no id', async () => {
    const { session } = await begun(two)
    for (const id of ['', '.', '..', 'Patient/a', '../x', 'a'.repeat(65)]) {
      expect((await failure(session.setPatient(id))).code).toBe('ERR_INVALID_OPTIONS')
    }
  })

  it('takes the token to no other origin, and goes round in no circle', async () => {
    const { people, session } = await begun(two)
    const linkTo =
      (next: string): typeof people.fetch =>
      async (url, init) =>
        url.includes('_elements')
          ? people.fetch(url, init)
          : json({ resourceType: 'Bundle', entry: [], link: [{ relation: 'next', url: next }] })
    const all = async (pages: AsyncIterable<readonly PatientChoice[]>): Promise<undefined> => {
      for await (const page of pages) expect(page).toEqual([])
    }
    const elsewhere = selectPatient(session, { choose: all, fetch: linkTo('https://evil.example.test/p?2') })
    expect((await failure(elsewhere)).code).toBe('ERR_WRONG_ORIGIN')
    const round = selectPatient(session, { choose: all, fetch: linkTo(`${base}/Patient?_count=20`) })
    expect((await failure(round)).code).toBe('ERR_NO_SINGLE_PATIENT')
    expect(people.sent.some(({ url }) => url.includes('evil'))).toBe(false)
  })
})
