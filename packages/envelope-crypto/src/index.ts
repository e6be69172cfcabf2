export { createSealer } from './sealer.js'
export type { C3ProSealerOptions, JweSealerOptions, RecipientSource, SealContext, Sealer } from './sealer.js'
export { createOpener } from './opener.js'
export type {
  OpenContext,
  Opened,
  OpenedC3Pro,
  OpenedJwe,
  Opener,
  OpenerOptions,
  OpeningKeyLookup,
} from './opener.js'
export type { JweClaims } from './jwe-envelope.js'
export type { JweEnvelope, JweRecipient } from './suites/jwe.js'
export { importRecipient } from './recipient.js'
export type { Recipient, RecipientOptions } from './recipient.js'
export { importOpeningKey } from './opening-key.js'
export type { OpeningKey, OpeningKeyOptions } from './opening-key.js'
export { keyRing } from './key-ring.js'
export type { KeyRing, KeyRingOptions } from './key-ring.js'
export { generateRecipient } from './generate-recipient.js'
export type { GeneratedRecipient, GenerateRecipientOptions } from './generate-recipient.js'
export { createRecordCipher, keysInUse } from './record/record-cipher.js'
export type { NamedRecordKey, RecordCipher, RecordCipherOptions } from './record/record-cipher.js'
export type { RecordKey, RecordKeySource } from './record/record-key.js'
export { passphraseKey } from './record/passphrase-key.js'
export type { KeyNotes, PassphraseKeyOptions } from './record/passphrase-key.js'
export type { Curve } from './internal/elliptic.js'
export type { KeySource } from './internal/key-source.js'
export type { RecipientWarning } from './internal/validity.js'
export type { C3ProKeyBits } from './suites/c3-pro.js'
export type { Envelope } from './envelope.js'
export { EnvelopeError } from './errors.js'
export type { EnvelopeErrorCode } from './errors.js'
