/** A FHIR resource as the store keeps it: any type, unknown members kept. */
export interface Resource {
  readonly resourceType: string
  readonly id?: string
  readonly [member: string]: unknown
}

export type WriteMethod = 'POST' | 'PUT' | 'DELETE'

/** One version of one resource. A deletion is a version without `resource`. */
export interface StoredVersion {
  readonly type: string
  readonly id: string
  readonly version: number
  /** Milliseconds since 1970 by the mock's clock. */
  readonly at: number
  readonly method: WriteMethod
  readonly resource?: Resource
}

export const idPattern: RegExp = /^[A-Za-z0-9\-.]{1,64}$/
export const typePattern: RegExp = /^[A-Z][A-Za-z]{1,63}$/

export function etagOf(version: StoredVersion): string {
  return `W/"${version.version}"`
}
