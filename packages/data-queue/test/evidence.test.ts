import { describe, expect, it } from 'vitest'
import { createFhirClient } from '@fhir-outbox/fhir-client'
import { combineEvidence, createDossier, type Evidence } from '../src/index.js'

const before: Evidence = {
  v: 1,
  at: '2026-01-01T00:00:00.000Z',
  statement: 'read',
  software: 'server 1',
  transaction: true,
  scopes: 'system/*.cruds',
  learned: { notAtomic: true, bytes: 1000, types: { Observation: { clientIds: false } } },
}
const later = '2026-01-02T00:00:00.000Z'
const lasting = { notAtomic: true, types: { Observation: { clientIds: false } } }

describe('evidence that is gathered again', () => {
  it('keeps what deliveries have shown of the same software, but for sizes, which are tried anew', () => {
    const fresh: Evidence = { v: 1, at: later, statement: 'read', software: 'server 1', learned: {} }
    expect(combineEvidence(before, fresh)).toEqual({ ...fresh, learned: lasting })
  })

  it('starts anew with other software', () => {
    const fresh: Evidence = { v: 1, at: later, statement: 'read', software: 'server 2', learned: {} }
    expect(combineEvidence(before, fresh)).toEqual(fresh)
  })

  it('loses nothing, learned or read, while the statement cannot be read; what was granted now counts', () => {
    const fresh: Evidence = {
      v: 1,
      at: later,
      statement: 'unreadable',
      statementFailure: { code: 'ERR_HTTP', status: 503 },
      scopes: 'system/Observation.c',
      learned: {},
    }
    expect(combineEvidence(before, fresh)).toEqual({
      ...before,
      at: later,
      scopes: 'system/Observation.c',
      learned: lasting,
    })
  })

  it('keeps what a delivery learns in the meantime', async () => {
    let meanwhile = async (): Promise<void> => undefined
    const statement = {
      resourceType: 'CapabilityStatement',
      software: { name: 'x' },
      rest: [{ mode: 'server' }],
    }
    const client = createFhirClient({
      baseUrl: 'https://fhir.example.org',
      async send() {
        await meanwhile()
        return Response.json(statement)
      },
    })
    const dossier = createDossier({ client, notes: undefined, now: Date.now, changed: () => undefined })
    await dossier.refresh()
    meanwhile = () => dossier.learn({ notAtomic: true })
    await dossier.refresh()
    expect(dossier.current().learned).toEqual({ notAtomic: true })
  })
})
