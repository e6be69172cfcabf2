import {
  createOpener,
  createSealer,
  generateRecipient,
  importOpeningKey,
  importRecipient,
  keyRing,
} from '@fhir-outbox/envelope-crypto'
import { spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { failure, newParty, text, utf8 } from './support.js'

const tool = 'openssl'
const version = spawnSync(tool, ['version'], { encoding: 'utf8' })
const missing = version.error !== undefined || version.status !== 0
if (missing)
  console.warn('SKIPPED: exchange with the openssl command line, because openssl is not installed.')

const oaepSha1 = ['rsa_padding_mode:oaep', 'rsa_oaep_md:sha1', 'rsa_mgf1_md:sha1'].flatMap((option) => [
  '-pkeyopt',
  option,
])
const zeroIv = '0'.repeat(32)

describe.skipIf(missing)('exchange with the openssl command line', () => {
  let folder: string
  const path = (name: string): string => join(folder, name)
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'envelope-crypto-'))
  })
  afterEach(async () => {
    await rm(folder, { recursive: true, force: true })
  })

  it('openssl opens what is sealed here', async () => {
    const { generated, recipient } = await newParty()
    const envelope = await createSealer({ suite: 'c3-pro', recipient }).seal(
      utf8('{"resourceType":"Patient"}'),
    )
    await writeFile(path('private.pem'), generated.privateKeyPkcs8Pem)
    await writeFile(path('key.bin'), Buffer.from(envelope.symmetric_key, 'base64'))
    await writeFile(path('message.bin'), Buffer.from(envelope.message, 'base64'))
    const key = openssl(
      'pkeyutl',
      '-decrypt',
      '-inkey',
      path('private.pem'),
      '-in',
      path('key.bin'),
      ...oaepSha1,
    )
    expect(key).toHaveLength(32)
    const decrypt = [
      'enc',
      '-d',
      '-aes-256-cbc',
      '-K',
      key.toString('hex'),
      '-iv',
      zeroIv,
      '-in',
      path('message.bin'),
    ]
    expect(openssl(...decrypt).toString('utf8')).toBe('{"resourceType":"Patient"}')
  })

  it('opens here what openssl seals with a key pair and certificate of its own', async () => {
    makeCertificate('-newkey', 'rsa:2048', '-subj', '/CN=C3-PRO receiver')
    const certificate = await readFile(path('certificate.pem'), 'utf8')
    const recipient = await importRecipient(certificate, { keyId: 'from-openssl' })
    openssl('x509', '-in', path('certificate.pem'), '-outform', 'DER', '-out', path('certificate.der'))
    const fromDer = await importRecipient(await readFile(path('certificate.der')), { keyId: 'from-openssl' })
    expect(fromDer).toEqual(recipient)

    const key = randomBytes(32)
    await writeFile(path('key.bin'), key)
    await writeFile(path('plain.txt'), 'sealed by openssl: ü')
    const wrap = [
      '-encrypt',
      '-certin',
      '-keyform',
      'DER',
      '-inkey',
      path('certificate.der'),
      '-in',
      path('key.bin'),
    ]
    const envelope = {
      key_id: ' from-openssl\n',
      symmetric_key: openssl('pkeyutl', ...wrap, ...oaepSha1).toString('base64'),
      message: openssl(
        'enc',
        '-aes-256-cbc',
        '-base64',
        '-K',
        key.toString('hex'),
        '-iv',
        zeroIv,
        '-in',
        path('plain.txt'),
      ).toString('ascii'),
      version: '1.0.2',
    }
    const openingKey = await importOpeningKey(await readFile(path('private.pem')), { keyId: 'from-openssl' })
    const opener = createOpener({ keys: keyRing([openingKey]) })
    expect(text(await opener.open(envelope))).toBe('sealed by openssl: ü')
  })

  it('reads private keys with a passphrase both ways', async () => {
    const passphrase = 'correct horse'
    const { keyId, privateKeyPkcs8Pem } = await generateRecipient({ curve: 'P-256', passphrase })
    await writeFile(path('made-here.pem'), privateKeyPkcs8Pem)
    const plain = openssl('pkey', '-in', path('made-here.pem'), '-passin', `pass:${passphrase}`).toString(
      'ascii',
    )
    expect(await importOpeningKey(plain, { keyId })).toMatchObject({ kind: 'EC', bits: 256 })

    for (const [cipher, prf] of [
      ['aes256', 'hmacWithSHA512'],
      ['aes128', 'hmacWithSHA1'],
    ] as const) {
      const encrypt = ['-topk8', '-v2', cipher, '-v2prf', prf, '-passout', `pass:${passphrase}`]
      openssl(
        'pkcs8',
        ...encrypt,
        '-passin',
        `pass:${passphrase}`,
        '-in',
        path('made-here.pem'),
        '-out',
        path('theirs.pem'),
      )
      const theirs = await readFile(path('theirs.pem'))
      expect(await importOpeningKey(theirs, { keyId, passphrase })).toMatchObject({ kind: 'EC', bits: 256 })
    }
  })

  it('takes an elliptic certificate from openssl, and makes one that openssl verifies', async () => {
    makeCertificate('-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-384', '-subj', '/CN=x')
    const theirs = await importRecipient(await readFile(path('certificate.pem')), { keyId: 'k' })
    expect(theirs).toMatchObject({ kind: 'EC', curve: 'P-384' })
    const { certificatePem } = await generateRecipient({ curve: 'P-256' })
    await writeFile(path('ours.pem'), certificatePem)
    expect(
      openssl('verify', '-x509_strict', '-CAfile', path('ours.pem'), path('ours.pem')).toString('utf8'),
    ).toContain('OK')
    expect(openssl('x509', '-in', path('ours.pem'), '-noout', '-text').toString('utf8')).toContain(
      'Key Agreement',
    )
  })

  it('takes the certificates made here', async () => {
    const { generated } = await newParty({ bits: 2048, keyId: 'receiver-1' })
    await writeFile(path('certificate.pem'), generated.certificatePem)
    const printed = openssl('x509', '-in', path('certificate.pem'), '-noout', '-text').toString('utf8')
    expect(printed).toContain('Key Encipherment, Data Encipherment')
    expect(printed).toContain('CA:FALSE')
    expect(printed).toContain('Version: 3 (0x2)')
    const verify = ['verify', '-x509_strict', '-CAfile', path('certificate.pem'), path('certificate.pem')]
    const result = spawnSync(tool, verify, { encoding: 'utf8' })
    expect(result.stdout).toContain('certificate.pem: OK')
  })

  it('refuses certificates that are not made for encryption', async () => {
    const refusals: readonly (readonly [string, readonly string[], string])[] = [
      [
        'signing only',
        ['-newkey', 'rsa:2048', '-addext', 'keyUsage=critical,digitalSignature'],
        'ERR_KEY_USAGE',
      ],
      [
        'certificate authority',
        ['-newkey', 'rsa:2048', '-addext', 'keyUsage=keyCertSign,cRLSign'],
        'ERR_KEY_USAGE',
      ],
      ['weak', ['-newkey', 'rsa:1024'], 'ERR_WEAK_KEY'],
      ['other curve', ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:secp256k1'], 'ERR_INVALID_RECIPIENT'],
      [
        'elliptic, for signatures',
        ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-addext', 'keyUsage=digitalSignature'],
        'ERR_KEY_USAGE',
      ],
      ['PSS', ['-newkey', 'rsa-pss', '-pkeyopt', 'rsa_keygen_bits:2048'], 'ERR_UNSUPPORTED_KEY'],
      [
        'unknown critical extension',
        ['-newkey', 'rsa:2048', '-addext', '1.2.3.4=critical,DER:0500'],
        'ERR_INVALID_RECIPIENT',
      ],
    ]
    for (const [what, args, code] of refusals) {
      makeCertificate(...args, '-subj', '/CN=x')
      const certificate = await readFile(path('certificate.pem'))
      expect(await failure(importRecipient(certificate, { keyId: 'k' })), what).toMatchObject({ code })
    }
  })

  it('accepts a key usage that allows wrapping, and the usual long-lived recipe', async () => {
    const accepted = [
      ['-addext', 'keyUsage=critical,keyEncipherment'],
      ['-addext', 'keyUsage=dataEncipherment,digitalSignature'],
      ['-days', '3650', '-sha512'],
      ['-addext', 'extendedKeyUsage=critical,emailProtection'],
    ]
    for (const args of accepted) {
      makeCertificate('-newkey', 'rsa:2048', ...args, '-subj', '/C=CH/O=Example/CN=x')
      const certificate = await readFile(path('certificate.pem'))
      expect((await importRecipient(certificate, { keyId: 'k' })).bits, args.join(' ')).toBe(2048)
    }
  })

  it('accepts a certificate issued by an authority, and reads no key out of requests and containers', async () => {
    makeCertificate('-newkey', 'rsa:2048', '-subj', '/CN=authority')
    const leaf = [
      '-newkey',
      'rsa:2048',
      '-nodes',
      '-subj',
      '/CN=leaf',
      '-keyout',
      path('leaf.key'),
      '-out',
      path('leaf.csr'),
    ]
    openssl('req', ...leaf)
    const issue = [
      '-req',
      '-in',
      path('leaf.csr'),
      '-CA',
      path('certificate.pem'),
      '-CAkey',
      path('private.pem'),
    ]
    openssl(
      'x509',
      ...issue,
      '-CAcreateserial',
      '-CAserial',
      path('serial'),
      '-days',
      '40',
      '-out',
      path('leaf.pem'),
    )
    expect((await importRecipient(await readFile(path('leaf.pem')), { keyId: 'k' })).bits).toBe(2048)

    openssl('req', '-in', path('leaf.csr'), '-outform', 'DER', '-out', path('leaf.csr.der'))
    const request = await readFile(path('leaf.csr.der'))
    expect(await failure(importRecipient(request, { keyId: 'k' }))).toMatchObject({
      code: 'ERR_INVALID_RECIPIENT',
    })

    const container = [
      '-export',
      '-inkey',
      path('leaf.key'),
      '-in',
      path('leaf.pem'),
      '-passout',
      'pass:x',
      '-out',
      path('leaf.p12'),
    ]
    openssl('pkcs12', ...container)
    openssl(
      'pkcs8',
      '-topk8',
      '-in',
      path('leaf.key'),
      '-passout',
      'pass:x',
      '-outform',
      'DER',
      '-out',
      path('leaf.enc'),
    )
    openssl('rsa', '-in', path('leaf.key'), '-traditional', '-outform', 'DER', '-out', path('leaf.pkcs1'))
    for (const name of ['leaf.p12', 'leaf.enc', 'leaf.pkcs1']) {
      const source = await readFile(path(name))
      expect(await failure(importRecipient(source, { keyId: 'k' })), name).toMatchObject({
        code: 'ERR_PRIVATE_KEY_GIVEN',
      })
      expect(await failure(importOpeningKey(source, { keyId: 'k' })), name).toMatchObject({
        code: 'ERR_INVALID_OPENING_KEY',
      })
    }
  })

  function makeCertificate(...args: string[]): void {
    openssl(
      'req',
      '-x509',
      '-nodes',
      '-keyout',
      path('private.pem'),
      '-out',
      path('certificate.pem'),
      ...args,
    )
  }
})

function openssl(...args: string[]): Buffer {
  const { status, stdout, stderr } = spawnSync(tool, args)
  if (status !== 0) throw new Error(`openssl ${String(args[0])} failed: ${stderr.toString('utf8')}`)
  return stdout
}
