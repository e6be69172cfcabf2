import { restoreSession, type SecretStore, type Session, type SessionOptions } from '@fhir-outbox/smart-auth'
import { base, peopleServer, type Bend, type PeopleServer } from './people-server.js'

export const url = `${base}/Observation`
export const minute = 60_000

export function lost(): never {
  throw new TypeError('fetch failed', { cause: Object.assign(new Error('reset'), { code: 'ECONNRESET' }) })
}

export function refused(): never {
  throw new TypeError('fetch failed', {
    cause: Object.assign(new Error('refused'), { code: 'ECONNREFUSED' }),
  })
}

/** Somebody is logged in; from the second token request on, `refresh` answers. */
export async function loggedIn(
  refresh?: Bend['token'],
  options: { store?: SecretStore; session?: Partial<SessionOptions> } = {},
): Promise<{
  people: PeopleServer
  session: Session
  another(more?: Partial<SessionOptions>): Promise<Session>
}> {
  const people = await peopleServer({
    token: (sent, n) => (n === 1 || refresh === undefined ? {} : refresh(sent, n)),
  })
  const store = options.store ?? people.store
  const session = await people.logIn({ store }, { store, ...options.session })
  const another = async (more: Partial<SessionOptions> = {}): Promise<Session> => {
    const found = await restoreSession(
      { store, fhirBaseUrl: base },
      { fetch: people.fetch, now: () => people.now, random: () => 0, ...options.session, ...more },
    )
    if (found === undefined) throw new Error('no session is stored')
    return found
  }
  return { people, session, another }
}

export const refreshes = (people: PeopleServer): readonly (string | null)[] =>
  people
    .sentTo('/token')
    .filter(({ form }) => form.get('grant_type') === 'refresh_token')
    .map(({ form }) => form.get('refresh_token'))
