import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { expect, it, onTestFinished } from 'vitest'
import { beginLaunch, completeLaunch, restoreSession } from '@fhir-outbox/smart-auth'
import { fileSecretStore, keyFromFile } from '@fhir-outbox/smart-auth/node'
import { bundle } from '../../../scripts/run-source.mjs'
import { app, logIn, redirectUri, strictServer } from './support/strict-server.js'

it('three processes with one session make one refresh, and nobody is logged out', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'smart-auth-'))
  const folder = await bundle({ refresher: 'packages/smart-auth/test/support/refresher.ts' })
  onTestFinished(async () => {
    await rm(directory, { recursive: true, force: true })
    await rm(folder, { recursive: true, force: true })
  })
  const server = await strictServer([app])
  const key = join(directory, 'key')
  const store = fileSecretStore({ directory, key: keyFromFile(key) })
  const scope = 'openid offline_access patient/*.rs'
  const fhirBaseUrl = server.fhir
  const { url } = await beginLaunch({ store, fhirBaseUrl, clientId: 'app', redirectUri, scope, parameters: { prompt: 'consent' } }) // prettier-ignore
  const session = await completeLaunch({ store, callbackUrl: await logIn(url) })
  const rejected = session.secrets().accessToken ?? ''

  const children = [1, 2, 3].map(() =>
    spawn(process.execPath, [join(folder, 'refresher.mjs'), directory, key, fhirBaseUrl, rejected], {
      stdio: ['pipe', 'pipe', 'inherit'],
    }),
  )
  onTestFinished(() => children.forEach((child) => child.kill()))
  const lines = children.map((child) => createInterface({ input: child.stdout })[Symbol.asyncIterator]())
  const next = (): Promise<unknown[]> =>
    Promise.all(lines.map(async (line) => (await line.next()).value as unknown))
  expect(await next()).toEqual(['ready', 'ready', 'ready'])
  const ended = Promise.all(children.map((child) => once(child, 'exit')))
  for (const child of children) child.stdin.write('go\n')
  const values = await next()
  expect(new Set(values).size).toBe(1)
  expect(values[0]).not.toBe(rejected)
  expect((await ended).map(([code]) => code as unknown)).toEqual([0, 0, 0])
  expect(server.grants.slice(1)).toEqual([{ grant: 'refresh_token', status: 200 }])

  const later = await restoreSession({ store, fhirBaseUrl })
  const token = await later?.getToken({ url: fhirBaseUrl, rejected: String(values[0]) })
  expect(token?.value).not.toBe(values[0])
  expect(server.grants.map(({ status }) => status)).toEqual([200, 200, 200])
})
