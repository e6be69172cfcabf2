/**
 * Everything this package refuses, as stable codes.
 *
 * Messages name the place (`readings[2].time.measuredAt`) and never the value found there: values are health data.
 */
export type BundleErrorCode =
  | 'ERR_INVALID_READING'
  | 'ERR_INVALID_DECIMAL'
  | 'ERR_INVALID_OPTION'
  | 'ERR_CONFLICTING_IDENTITY'
  | 'ERR_CONFLICTING_MEASUREMENT'
  | 'ERR_NOT_SERIALIZABLE'
  | 'ERR_INVALID_BUNDLE'
  | 'ERR_REFERENCE_CLOSURE'
  | 'ERR_ENTRY_TOO_LARGE'
  | 'ERR_INVALID_RESPONSE'

const HINTS: Readonly<Record<BundleErrorCode, string>> = {
  ERR_INVALID_READING: 'Correct the member named by `path`; the README describes the reading form.',
  ERR_INVALID_DECIMAL: 'Write a decimal such as "36.50": at most 256 digits, exponent between -128 and 127.',
  ERR_INVALID_OPTION: 'Correct the option named by `path`.',
  ERR_CONFLICTING_IDENTITY: 'Two things claim one identifier; give each its own, or build separate bundles.',
  ERR_CONFLICTING_MEASUREMENT:
    'Two different measurements have one identity; keep one, or give time stamps of a finer resolution.',
  ERR_NOT_SERIALIZABLE: 'Give JSON values and decimals only.',
  ERR_INVALID_BUNDLE: 'Give entries with a request each, unique fullUrls and one entry per resource.',
  ERR_REFERENCE_CLOSURE: 'Raise the limits, add the missing entries, or make plain creates conditional.',
  ERR_ENTRY_TOO_LARGE: 'Raise `limits.bytes` if the server takes more, or send a smaller resource.',
  ERR_INVALID_RESPONSE: 'Pass the parsed body of the response to exactly this request.',
}

const BRAND = Symbol.for('@fhir-outbox/fhir-bundles/error')

/** The one error class of this package; switch on `code`. */
export class BundleError extends Error {
  override readonly name = 'BundleError'
  readonly code: BundleErrorCode
  /** One sentence: the way out. */
  readonly hint: string
  /** Where in the input, as in `readings[0].device.systemId`. */
  readonly path: string | undefined
  /** Size in octets, with `ERR_ENTRY_TOO_LARGE`. */
  readonly bytes: number | undefined

  constructor(
    code: BundleErrorCode,
    message: string,
    details: { readonly path?: string; readonly bytes?: number; readonly cause?: unknown } = {},
  ) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause })
    this.code = code
    this.hint = HINTS[code]
    this.path = details.path
    this.bytes = details.bytes
    Object.defineProperty(this, BRAND, { value: true })
  }
}

/** True for a `BundleError` of any copy of this package and of any realm. */
export function isBundleError(value: unknown): value is BundleError {
  return typeof value === 'object' && value !== null && Reflect.get(value, BRAND) === true
}
