import type { Decimal } from './decimal.js'

/**
 * The R4 resources this package writes, as narrow as it writes them. Every `Decimal` is printed exactly by
 * `stringifyExact`.
 */
export type Coding = { readonly system: string; readonly code: string; readonly display?: string }
export type CodeableConcept = { readonly coding?: readonly Coding[]; readonly text?: string }
export type Reference = { readonly reference: string }
export type Identifier = { readonly type?: CodeableConcept; readonly system: string; readonly value: string }
export type Quantity = {
  readonly value: Decimal
  readonly unit: string
  readonly system: string
  readonly code: string
}
/** Evenly spaced samples: value = origin + factor × sample. */
export type SampledData = {
  readonly origin: Quantity
  /** Milliseconds from sample to sample. */
  readonly period: Decimal
  readonly factor?: Decimal
  readonly lowerLimit?: Decimal
  readonly upperLimit?: Decimal
  readonly dimensions: 1
  readonly data: string
}
export type Period = { readonly start: string; readonly end: string }
export type Extension = { readonly url: string; readonly valueReference: Reference }
export type Meta = { readonly profile: readonly string[]; readonly security?: readonly Coding[] }

export type PatientResource = {
  readonly resourceType: 'Patient'
  readonly meta: Meta
  readonly identifier: readonly Identifier[]
  readonly name?: readonly { readonly family?: string; readonly given?: readonly string[] }[]
}

export type DeviceResource = {
  readonly resourceType: 'Device'
  readonly meta: Meta
  readonly identifier: readonly Identifier[]
  readonly manufacturer?: string
  readonly serialNumber?: string
  readonly modelNumber?: string
  readonly type: CodeableConcept
  readonly specialization: readonly { readonly systemType: CodeableConcept; readonly version: string }[]
  readonly version?: readonly { readonly type: CodeableConcept; readonly value: string }[]
  readonly property?: readonly {
    readonly type: CodeableConcept
    readonly valueCode: readonly CodeableConcept[]
  }[]
}

export type ObservationComponent = {
  readonly code: CodeableConcept
  readonly valueQuantity?: Quantity
  readonly valueBoolean?: boolean
  readonly valueCodeableConcept?: CodeableConcept
  readonly dataAbsentReason?: CodeableConcept
}

export type ObservationResource = {
  readonly resourceType: 'Observation'
  readonly meta: Meta
  readonly extension?: readonly Extension[]
  readonly identifier: readonly Identifier[]
  readonly status: 'final' | 'preliminary' | 'entered-in-error'
  readonly category?: readonly CodeableConcept[]
  readonly code: CodeableConcept
  readonly subject: Reference
  readonly effectiveDateTime?: string
  readonly effectivePeriod?: Period
  readonly valueQuantity?: Quantity
  readonly valueCodeableConcept?: CodeableConcept
  readonly valueString?: string
  readonly valueSampledData?: SampledData
  readonly valueDateTime?: string
  readonly dataAbsentReason?: CodeableConcept
  readonly interpretation?: readonly CodeableConcept[]
  readonly note?: readonly { readonly text: string }[]
  readonly device: Reference
  readonly derivedFrom?: readonly Reference[]
  readonly component?: readonly ObservationComponent[]
}

export type DeviceBundleResource = PatientResource | DeviceResource | ObservationResource

/** What any transaction entry looks like to the packer: members it does not know travel untouched. */
export type TransactionEntry = {
  readonly fullUrl?: string
  readonly resource?: object
  readonly request: {
    readonly method: string
    readonly url: string
    readonly ifNoneExist?: string
    readonly ifMatch?: string
  }
}

export type TransactionBundle<E extends TransactionEntry = TransactionEntry> = {
  readonly resourceType: 'Bundle'
  readonly type: 'transaction'
  readonly entry: readonly E[]
}

/** An entry of `deviceBundle`: always a conditional create, so that repeating the bundle is harmless. */
export type DeviceBundleEntry<R extends DeviceBundleResource = DeviceBundleResource> = {
  readonly fullUrl: string
  readonly resource: R
  readonly request: { readonly method: 'POST'; readonly url: R['resourceType']; readonly ifNoneExist: string }
}
