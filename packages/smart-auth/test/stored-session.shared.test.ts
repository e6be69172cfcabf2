import { describe, expect, it } from 'vitest'
import { storedSession, type TokenSource } from '@fhir-outbox/smart-auth'
import { failure, json } from './support/fake-fetch.js'
import { base, peopleServer, type PeopleServer } from './support/people-server.js'

const url = `${base}/Observation`
const minute = 60_000

const source = (people: PeopleServer): ReturnType<typeof storedSession> =>
  storedSession(
    { store: people.store, fhirBaseUrl: base },
    { fetch: people.fetch, now: () => people.now, random: () => 0 },
  )

async function tokensOf(people: PeopleServer): Promise<TokenSource> {
  const tokens = await source(people)
  if (tokens === undefined) throw new Error('nobody is logged in')
  return tokens
}

describe('storedSession', () => {
  it('is none when nobody is logged in', async () => {
    expect(await source(await peopleServer())).toBeUndefined()
  })

  it('goes on with the login of another person once its own has ended', async () => {
    const people = await peopleServer()
    const alice = await people.logIn()
    const tokens = await tokensOf(people)
    expect(await tokens.getToken({ url })).toMatchObject({ value: 'access-1' })
    await alice.end()
    people.now += 5 * minute
    expect(await failure(tokens.getToken({ url }))).toMatchObject({ code: 'ERR_LOGIN_REQUIRED' })
    people.bend.claims = { sub: 'person-2' }
    await people.logIn()
    const both = await Promise.all([tokens.getToken({ url }), tokens.getToken({ url })])
    expect(both).toMatchObject([{ value: 'access-2' }, { value: 'access-2' }])
    people.now += 5 * minute
    expect(await tokens.getToken({ url })).toMatchObject({ value: 'access-3' })
  })

  it('goes on with a login for another patient, also when the server has refused its token', async () => {
    const people = await peopleServer({ token: (_sent, n) => ({ patient: n === 1 ? 'p1' : 'p2' }) })
    await people.logIn()
    const tokens = await tokensOf(people)
    const first = await tokens.getToken({ url })
    expect(first).toMatchObject({ patient: 'p1' })
    await people.logIn()
    const next = tokens.getToken({ url, rejected: first.value })
    expect(await next).toMatchObject({ value: 'access-2', patient: 'p2' })
  })

  it('does not try the same login twice', async () => {
    const people = await peopleServer({
      token: (_sent, n) => (n === 1 ? {} : json({ error: 'invalid_grant' }, 400)),
    })
    await people.logIn()
    const tokens = await tokensOf(people)
    people.now += 5 * minute
    expect(await failure(tokens.getToken({ url }))).toMatchObject({ code: 'ERR_LOGIN_REQUIRED' })
    expect(people.sentTo('/token')).toHaveLength(2)
  })
})
