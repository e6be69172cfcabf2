import { EnvelopeError } from '../errors.js'
import { isBytes } from './bytes.js'
import { readPem } from './pem.js'
import type { PemBlock } from './pem.js'

/** Text (PEM or JWK), bytes (DER, or the content of a file with such a text) or a parsed JWK. */
export type KeySource = string | Uint8Array | JsonWebKey

export type ReadKeySource =
  | { readonly form: 'pem'; readonly block: PemBlock }
  | { readonly form: 'der'; readonly der: Uint8Array<ArrayBuffer> }
  | { readonly form: 'jwk'; readonly jwk: Readonly<Record<string, unknown>> }

type Refuse = (message: string) => EnvelopeError

// The largest RSA key that is accepted fits several times over, with a long certificate around it.
const mostBytes = 64 * 1024
const sequenceTag = 0x30

/** Tells PEM, DER and JWK apart. Throws ERR_TOO_LARGE, or what `refuse` makes. */
export function readKeySource(source: unknown, refuse: Refuse): ReadKeySource {
  if (isBytes(source)) {
    if (source.length > mostBytes) throw tooLarge()
    if (source[0] === sequenceTag) return { form: 'der', der: new Uint8Array(source) }
    return readText(new TextDecoder().decode(source), refuse)
  }
  if (typeof source === 'string') {
    if (source.length > mostBytes) throw tooLarge()
    return readText(source, refuse)
  }
  if (isRecord(source)) return { form: 'jwk', jwk: source }
  throw refuse('The source is neither a text, nor bytes, nor a JWK.')
}

function readText(text: string, refuse: Refuse): ReadKeySource {
  if (text.trimStart().startsWith('{')) return { form: 'jwk', jwk: parseJwk(text, refuse) }
  const blocks = readPem(text)
  if (blocks === undefined) throw refuse('The PEM text is cut off or damaged.')
  // A private key is often stored beside its certificate: it is what the reader must know of, so it goes first.
  const privateBlocks = blocks.filter((block) => block.label.endsWith('PRIVATE KEY'))
  const candidates = privateBlocks.length > 0 ? privateBlocks : blocks
  const [block] = candidates
  if (block === undefined) throw refuse('The source holds no PEM block, no DER and no JWK.')
  // Which of several keys is meant must not be a guess: a wrong guess is data that nobody can open.
  if (candidates.length > 1) throw refuse('The PEM text holds more than one certificate or key.')
  return { form: 'pem', block }
}

function parseJwk(text: string, refuse: Refuse): Readonly<Record<string, unknown>> {
  let parsed: unknown
  try {
    parsed = JSON.parse(text)
  } catch {
    // No cause: the parser's message quotes the text, which may be a private key.
    throw refuse('The source looks like a JWK but is not valid JSON.')
  }
  if (!isRecord(parsed)) throw refuse('The source looks like a JWK but is not an object.')
  return parsed
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function tooLarge(): EnvelopeError {
  return new EnvelopeError('ERR_TOO_LARGE', `The source of a key is larger than ${mostBytes} bytes.`, {
    hint: 'Pass one certificate or key, not a bundle.',
  })
}
