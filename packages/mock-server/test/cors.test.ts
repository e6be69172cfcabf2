import { describe, expect, it } from 'vitest'
import type { CorsMode } from '../src/index.js'
import { tableRig } from './table-rig.js'

const origin = { origin: 'https://app.example' }
const preflight = {
  method: 'OPTIONS',
  headers: {
    ...origin,
    'access-control-request-method': 'POST',
    'access-control-request-headers': 'authorization,if-none-exist',
  },
}

describe('a web app of another origin', () => {
  it('may send what it needs and read what it must', async () => {
    const { send, mock } = tableRig({ open: false })
    mock.faults.add({ method: 'POST', fault: { kind: 'status', status: 503 } })
    for (const path of ['/fhir/Basic', '/fhir', '/auth/token', '/c3pro/encfhir']) {
      const allowed = await send(path, preflight)
      expect(allowed.status).toBe(204)
      expect(allowed.headers.get('access-control-allow-origin')).toBe('*')
      expect(allowed.headers.get('access-control-allow-methods')).toBe('GET, HEAD, POST, PUT, PATCH, DELETE')
      expect(allowed.headers.get('access-control-allow-headers')).toBe('authorization,if-none-exist')
      expect(allowed.headers.get('access-control-max-age')).toBe('86400')
    }
    // Preflights are no exchanges: they stand in no log and use up no fault.
    expect(mock.log).toEqual([])
    const answers = [
      await send('/fhir/Basic', { headers: origin }),
      await send('/fhir/Basic', { method: 'POST', headers: origin }),
      await send('/auth/token', { method: 'POST', headers: origin }),
    ]
    expect(answers.map(({ status }) => status)).toEqual([401, 503, 400])
    for (const { headers } of answers) {
      expect(headers.get('access-control-allow-origin')).toBe('*')
      const exposed = headers.get('access-control-expose-headers') ?? ''
      for (const name of [
        'etag',
        'location',
        'content-location',
        'last-modified',
        'retry-after',
        'www-authenticate',
        'link',
      ]) {
        expect(exposed.split(', ')).toContain(name)
      }
    }
    expect((await send('/fhir/Basic')).headers.has('access-control-allow-origin')).toBe(false)
  })

  it.each<[CorsMode, string | null, string | null]>([
    ['none', null, null],
    ['origin-only', '*', null],
  ])('under the mode %s', async (cors, allow, expose) => {
    const { send } = tableRig({ cors })
    const { headers } = await send('/fhir/Basic', { headers: origin })
    expect([
      headers.get('access-control-allow-origin'),
      headers.get('access-control-expose-headers'),
    ]).toEqual([allow, expose])
    expect((await send('/fhir/Basic', preflight)).status).toBe(cors === 'none' ? 405 : 204)
  })
})
