/** A FHIR resource as the store keeps it: any type, unknown members kept. */
export interface Resource {
  readonly resourceType: string
  readonly id?: string
  readonly [member: string]: unknown
}

export type WriteMethod = 'POST' | 'PUT' | 'PATCH' | 'DELETE'

/** One version of one resource. A deletion is a version without `resource`. */
export interface StoredVersion {
  readonly type: string
  readonly id: string
  /** 1 for the first version of this resource. */
  readonly version: number
  /** What `meta.versionId` and the ETag say; empty where the server keeps no versions. */
  readonly versionId: string
  /** Number of the transaction that wrote it: views of the past are cut here. */
  readonly t: number
  /** Place among all versions ever written. */
  readonly seq: number
  /** Milliseconds since 1970 by the mock's clock; never smaller than those of an earlier version. */
  readonly at: number
  readonly method: WriteMethod
  readonly resource?: Resource
}

/** A version that is no deletion. */
export type LiveVersion = StoredVersion & { readonly resource: Resource }

export function isLive(version: StoredVersion | undefined): version is LiveVersion {
  return version?.resource !== undefined
}

export const idPattern: RegExp = /^[A-Za-z0-9\-.]{1,64}$/
export const typePattern: RegExp = /^[A-Z][A-Za-z]{1,63}$/

export function etagOf(version: StoredVersion): string {
  return `W/"${version.versionId}"`
}
