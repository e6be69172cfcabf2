import * as v from 'valibot'

const text = v.pipe(v.string(), v.nonEmpty())
const path = text

/** What it may be used for, smart-auth and fhir-client find out; their errors do not know the name of the setting. */
const url = v.pipe(
  v.string(),
  v.check((value) => {
    const parsed = URL.canParse(value) ? new URL(value) : undefined
    return (
      parsed !== undefined && /^https?:$/.test(parsed.protocol) && parsed.username + parsed.password === ''
    )
  }, 'an http or https URL without user name and password'),
)

/** JSON lists are objects to valibot, and would pass as one without members. */
function noList<const T extends v.GenericSchema>(schema: T) {
  return v.pipe(
    v.unknown(),
    v.check((value) => !Array.isArray(value), 'an object'),
    schema,
  )
}

/** How the agent gets its access token. */
const authSchema = v.variant('type', [
  v.strictObject({ type: v.literal('none') }),
  v.strictObject({
    type: v.literal('client-credentials'),
    clientId: text,
    /** File with the secret. Otherwise FHIR_OUTBOX_CLIENT_SECRET is read. */
    clientSecretFile: v.optional(path),
    tokenUrl: v.optional(url),
    scope: v.optional(text),
    profile: v.optional(v.picklist(['smart', 'c3-pro'])),
  }),
  v.strictObject({
    type: v.literal('backend-services'),
    clientId: text,
    /** Private key: JWK or PKCS#8 PEM. */
    keyFile: path,
    keyId: v.optional(text),
    tokenUrl: v.optional(url),
    scope: v.optional(text),
  }),
  v.strictObject({
    type: v.literal('register'),
    registrationUrl: v.optional(url),
    tokenUrl: v.optional(url),
    clientName: v.optional(text),
    scope: v.optional(text),
  }),
  v.strictObject({
    type: v.literal('receipt'),
    registrationUrl: url,
    tokenUrl: url,
    receiptFile: path,
    /** File with the secret that C3-PRO servers want in the Antispam header. */
    antispamFile: v.optional(path),
    sandbox: v.optional(v.boolean()),
    clientName: v.optional(text),
    scope: v.optional(text),
  }),
])

const encryptionSchema = v.strictObject({
  /** Endpoint that takes envelopes by POST. */
  url,
  /** Default: C3-PRO's, which every known receiver takes. */
  suite: v.optional(v.picklist(['c3-pro', 'jwe'])),
  /** X.509 certificate or public key of the recipient: PEM, DER or JWK. */
  certificate: path,
  keyId: text,
  /** Resource types that are encrypted. Default: all. */
  types: v.optional(v.array(text)),
  receiver: v.optional(v.picklist(['deduplicates', 'keeps-everything'])),
  /** `send` keeps the resource in clear inside the sealed queue, for a key that may rotate meanwhile. Default: `enqueue`. */
  sealAt: v.optional(v.picklist(['enqueue', 'send'])),
  /** Appends the resource type to the URL, as C3-PRO's first client did. */
  typeInPath: v.optional(v.boolean()),
  /** The receiver runs a transaction that it finds in an envelope; else one with something to encrypt is refused. */
  receiverRunsTransactions: v.optional(v.boolean()),
  /** How to get a token for that endpoint. Default: as for the FHIR server. */
  auth: v.optional(authSchema),
})

const sealingKeySchema = v.strictObject({
  /** Stands in every record that the key seals. */
  keyId: text,
  /** File of mode 0600 with 32 bytes as Base64; `fhir-outbox keys generate --records` makes one. */
  keyFile: path,
})

const sealingSchema = v.strictObject({
  ...sealingKeySchema.entries,
  /** Keys before this one: they open what they sealed. */
  older: v.optional(v.array(sealingKeySchema)),
})

const wholeNumber = v.pipe(
  v.number(),
  v.check((value) => Number.isSafeInteger(value) && value >= 0, 'a whole number of 0 or more'),
)

/** How much the queue takes; beyond that it refuses, and nothing that it has accepted is lost. */
const limitsSchema = v.strictObject({
  /** Bytes that stay free on the disk. Default: 256 MiB. */
  freeDiskBytes: v.exactOptional(wholeNumber),
  /** Entries that wait. Default: 1,000,000. */
  entries: v.exactOptional(wholeNumber),
  /** Bytes of entries that wait. Default: 2 GiB. */
  bytes: v.exactOptional(wholeNumber),
})

/** What is created to try the server out, and deleted again. */
const canarySchema = v.strictObject({
  /** A type whose resources have a list of identifiers. Default: Basic. */
  type: v.exactOptional(v.pipe(v.string(), v.regex(/^[A-Z][A-Za-z]{0,63}$/, 'the name of a resource type'))),
  /** Its members. Default: a `code` that says what it is. */
  content: v.exactOptional(v.record(v.string(), v.unknown())),
})

const onOrCanarySchema = v.union([v.boolean(), canarySchema])
// An object can only be meant as the second one: then the member that is wrong is named.
const canariesSchema = v.lazy((input) =>
  typeof input === 'object' && input !== null ? noList(canarySchema) : onOrCanarySchema,
)

const settingsSchema = v.strictObject({
  server: v.optional(text),
  directory: v.optional(path),
  key: v.optional(v.picklist(['identifier', 'client-id'])),
  /** Tries the server out before the first write. Default: nothing is written that nobody asked for. */
  canaries: v.optional(canariesSchema),
  /** When entries that wait share a request. Default: `proven`. */
  transactions: v.optional(v.picklist(['proven', 'trusted', 'never'])),
  auth: v.optional(authSchema),
  encryption: v.optional(encryptionSchema),
  sealing: v.optional(sealingSchema),
  limits: v.optional(limitsSchema),
})

export const configSchema = noList(settingsSchema)

export type AuthConfig = v.InferOutput<typeof authSchema>
export type EncryptionConfig = v.InferOutput<typeof encryptionSchema>
export type LimitsConfig = v.InferOutput<typeof limitsSchema>
export type SealingConfig = v.InferOutput<typeof sealingSchema>
export type CanaryConfig = v.InferOutput<typeof canarySchema>
export type ConfigFile = v.InferOutput<typeof settingsSchema>
