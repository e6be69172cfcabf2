import { EnvelopeError } from '../errors.js'

const dayMs = 24 * 60 * 60 * 1000
const warnDays = 30

/** Told while a certificate still works, from 30 days before it ends. */
export interface RecipientWarning {
  readonly code: 'WARN_CERTIFICATE_EXPIRES_SOON'
  readonly message: string
  readonly keyId: string
  /** ISO 8601. */
  readonly notAfter: string
  /** Whole days left, rounded down. */
  readonly daysLeft: number
}

export interface Validity {
  /** Milliseconds since 1970. */
  readonly notBefore: number
  readonly notAfter: number
}

/** Throws ERR_CERTIFICATE_EXPIRED or ERR_CERTIFICATE_NOT_YET_VALID; returns a warning when the end is near. */
export function checkValidity(validity: Validity, keyId: string, now: number): RecipientWarning | undefined {
  const notAfter = new Date(validity.notAfter).toISOString()
  if (now > validity.notAfter) throw expiredError(notAfter)
  if (now < validity.notBefore) {
    const notBefore = new Date(validity.notBefore).toISOString()
    throw new EnvelopeError(
      'ERR_CERTIFICATE_NOT_YET_VALID',
      `The certificate is valid from ${notBefore} only.`,
      {
        hint: `Check the clock of this device (it says ${new Date(now).toISOString()}), or use the certificate that is valid today.`,
      },
    )
  }
  const left = validity.notAfter - now
  if (left > warnDays * dayMs) return undefined
  return {
    code: 'WARN_CERTIFICATE_EXPIRES_SOON',
    message: `The certificate ends on ${notAfter}; sealing stops then. Ask the receiver for its next certificate.`,
    keyId,
    notAfter,
    daysLeft: Math.floor(left / dayMs),
  }
}

export function expiredError(notAfter: string): EnvelopeError {
  return new EnvelopeError('ERR_CERTIFICATE_EXPIRED', `The certificate expired on ${notAfter}.`, {
    hint: "Install the receiver's current certificate with its key id, or check the clock of this device.",
  })
}
