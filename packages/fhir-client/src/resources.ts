/**
 * The least a resource is. Interfaces of R4 type packages fit it, so `create(patient)` takes them as they are.
 */
export interface ResourceLike {
  readonly resourceType: string
  readonly id?: string | undefined
}

/** A resource whose members nobody has checked yet. */
export interface FhirResource extends ResourceLike {
  readonly meta?: ResourceMeta
  readonly [member: string]: unknown
}

/** A resource as a server gives it back: with an id, whether or not it was sent with one. */
export type Stored<T extends ResourceLike> = T & { readonly id?: string | undefined }

/** A union of resource types says what a client is for: `FhirResource` of `fhir/r4`, `Patient | Observation`, … */
export type TypeName<R extends ResourceLike> = R['resourceType'] | (string & {})

/** The member of a union that has this type name; a resource of unknown content for names outside the union. */
export type ResourceOf<R extends ResourceLike, N extends string> = string extends R['resourceType']
  ? R
  : [Extract<R, { readonly resourceType: N }>] extends [never]
    ? FhirResource
    : Extract<R, { readonly resourceType: N }>

/** `Resource.meta`, as far as a client needs it. */
export interface ResourceMeta {
  readonly versionId?: string
  readonly lastUpdated?: string
  readonly [member: string]: unknown
}

/** One link of a Bundle. */
export interface BundleLink {
  readonly relation?: string
  readonly url?: string
}

/** One entry of a Bundle. */
export interface BundleEntry<T extends ResourceLike = FhirResource> {
  readonly fullUrl?: string
  readonly resource?: T
  readonly search?: { readonly mode?: string; readonly [member: string]: unknown }
  readonly request?: { readonly method: string; readonly url: string; readonly [member: string]: unknown }
  readonly response?: { readonly status: string; readonly [member: string]: unknown }
  readonly [member: string]: unknown
}

/** A Bundle. `total` is what the server claims; do not count on it. */
export interface Bundle<T extends ResourceLike = FhirResource> extends ResourceLike {
  readonly resourceType: 'Bundle'
  readonly type?: string
  readonly total?: number
  readonly link?: readonly BundleLink[]
  readonly entry?: readonly BundleEntry<T>[]
  readonly [member: string]: unknown
}

/** An OperationOutcome as it came. `FhirError.issues` is the tidy form. */
export interface OperationOutcome extends ResourceLike {
  readonly resourceType: 'OperationOutcome'
  readonly issue?: unknown
  readonly [member: string]: unknown
}

/** A CapabilityStatement, as far as its name goes: its content is for the caller to judge. */
export interface CapabilityStatement extends ResourceLike {
  readonly resourceType: 'CapabilityStatement'
  readonly fhirVersion?: string
  readonly rest?: unknown
  readonly [member: string]: unknown
}

/** Whether a parsed JSON value is an object and not an array. */
export function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** Whether a parsed JSON value claims to be a resource. */
export function isResource(value: unknown): value is FhirResource {
  return isRecord(value) && typeof value['resourceType'] === 'string' && value['resourceType'] !== ''
}

/** Whether a resource is a Bundle. Entries and links are not checked. */
export function isBundle(resource: ResourceLike | undefined): resource is Bundle {
  return resource?.resourceType === 'Bundle'
}
