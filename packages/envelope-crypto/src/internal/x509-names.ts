// Object identifiers of RFC 5280, RFC 5758 and RFC 8017 that are read or written here.

export const extensionOid = {
  subjectKeyIdentifier: '2.5.29.14',
  keyUsage: '2.5.29.15',
  basicConstraints: '2.5.29.19',
  authorityKeyIdentifier: '2.5.29.35',
} as const

/** Extensions of RFC 5280 that may be marked critical without changing what an encryption key may be used for. */
export const knownExtensions: readonly string[] = [
  ...Object.values(extensionOid),
  '2.5.29.17', // subject alternative name
  '2.5.29.18', // issuer alternative name
  '2.5.29.30', // name constraints
  '2.5.29.32', // certificate policies
  '2.5.29.36', // policy constraints
  '2.5.29.37', // extended key usage
  '2.5.29.54', // inhibit any policy
]

export const sha256WithRsa = '1.2.840.113549.1.1.11'

/** The hash of RSA PKCS#1 v1.5 signatures by algorithm. */
export const rsaSignatureHash: Readonly<Record<string, string>> = {
  '1.2.840.113549.1.1.5': 'SHA-1',
  [sha256WithRsa]: 'SHA-256',
  '1.2.840.113549.1.1.12': 'SHA-384',
  '1.2.840.113549.1.1.13': 'SHA-512',
}

export const ecdsaWithSha256 = '1.2.840.10045.4.3.2'

/** The hash of ECDSA signatures by algorithm. */
export const ecSignatureHash: Readonly<Record<string, string>> = {
  [ecdsaWithSha256]: 'SHA-256',
  '1.2.840.10045.4.3.3': 'SHA-384',
  '1.2.840.10045.4.3.4': 'SHA-512',
}

/** Bits of the key usage extension, as they stand in its first byte. */
export const keyUsageBit = { keyEncipherment: 0x20, dataEncipherment: 0x10, keyAgreement: 0x08 } as const
