import { readFile, readdir, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import {
  createOpener,
  createSealer,
  importOpeningKey,
  importRecipient,
  keyRing,
} from '@fhir-outbox/envelope-crypto'
import { describe, expect, it } from 'vitest'
import { agent, tempDirectory } from './support/agent.js'

describe('keys of a receiver', () => {
  it('are generated, rotated and shown; each opens what was sealed for it', async () => {
    const folder = join(await tempDirectory(), 'keys')
    expect(await agent(['keys', 'generate', folder, '--curve', 'P-256', '--key-id', 'first'])).toMatchObject({
      code: 0,
    })
    const passphraseFile = join(folder, 'passphrase')
    await writeFile(passphraseFile, 'correct horse\n')
    const rotated = await agent(['keys', 'rotate', folder, '--json', '--passphrase-file', passphraseFile])
    expect(rotated.code).toBe(0)
    const [{ keyId: second } = {}] = rotated.events()

    const shown = await agent(['keys', 'show', folder, '--json'])
    expect(shown.events()).toMatchObject([
      { event: 'key', keyId: 'first', kind: 'EC', bits: 256, current: false },
      { event: 'key', keyId: second, kind: 'EC', bits: 256, current: true },
    ])
    const jwks = JSON.parse(await readFile(join(folder, 'jwks.json'), 'utf8')) as { keys: { kid: string }[] }
    expect(jwks.keys.map(({ kid }) => kid)).toEqual(['first', second])

    for (const keyId of ['first', String(second)]) {
      const home = join(folder, keyId)
      expect((await stat(join(home, 'private-key.pem'))).mode & 0o777).toBe(0o600)
      const recipient = await importRecipient(await readFile(join(home, 'certificate.pem')), { keyId })
      const pem = await readFile(join(home, 'private-key.pem'))
      const key = await importOpeningKey(pem, {
        keyId,
        ...(keyId === 'first' ? {} : { passphrase: 'correct horse' }),
      })
      const envelope = await createSealer({ recipient }).seal(new TextEncoder().encode('a'))
      expect(await createOpener({ keys: keyRing([key]) }).open(envelope)).toHaveLength(1)
    }
  })

  it('are laid out for the consumer of C3-PRO when they are made for it, also by rotate', async () => {
    const folder = await tempDirectory()
    await agent(['keys', 'generate', folder, '--suite', 'c3-pro', '--bits', '2048', '--key-id', 'first'])
    await agent(['keys', 'rotate', folder, '--key-id', 'second'])
    for (const keyId of ['first', 'second']) {
      const der = await readFile(join(folder, keyId, 'private-c3pro.der'))
      expect(await importOpeningKey(der, { keyId })).toMatchObject({ kind: 'RSA', bits: 2048 })
      expect(await readdir(join(folder, keyId))).toEqual([
        'certificate.der',
        'certificate.pem',
        'private-c3pro.der',
        'private-key.pem',
        'public.jwk.json',
      ])
    }
  })

  it('are told apart from a folder without keys and from wrong flags', async () => {
    const folder = await tempDirectory()
    expect(await agent(['keys', 'show', join(folder, 'none')])).toMatchObject({ code: 4 })
    expect(await agent(['keys', 'rotate', folder])).toMatchObject({ code: 4 })
    expect(await agent(['keys', 'generate', folder, '--bits', '1024'])).toMatchObject({ code: 2 })
    expect(await agent(['keys', 'generate', folder, '--key-id', '../x'])).toMatchObject({ code: 2 })
    expect(await readdir(folder)).toEqual([])
  })
})
