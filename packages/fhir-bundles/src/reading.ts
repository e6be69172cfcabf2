import type { Decimal } from './decimal.js'
import type { MEASUREMENTS, MeasurementType } from './internal/measurement-table.js'
import type { ADDRESS_KINDS, TIME_SYNC_METHODS, VERSION_KINDS } from './internal/codes.js'
import type { MeasurementStatus, SpecialValue } from './internal/status-table.js'

export type { MeasurementStatus, MeasurementType, SpecialValue }

/** What one device said at one moment about one patient, through one gateway. */
export type Reading = {
  readonly device: DeviceIdentity
  readonly gateway: GatewayIdentity
  readonly patient: PatientIdentity
  readonly time: ReadingTime
  /** At least one. */
  readonly measurements: readonly Measurement[]
}

/** A transport address, as hex octets with or without `-` or `:`. */
export type TransportAddress = { readonly kind: keyof typeof ADDRESS_KINDS; readonly value: string }
export type Versions = { readonly [kind in keyof typeof VERSION_KINDS]?: string }
export type TimeSync = keyof typeof TIME_SYNC_METHODS

/** The measuring device. It needs a System ID or a transport address; the System ID wins as its identity. */
export type DeviceIdentity = {
  /**
   * IEEE System ID (EUI-64) in true order: the reverse of the octets of Bluetooth characteristic 2A23. Hex, with
   * or without `-` or `:`.
   */
  readonly systemId?: string
  readonly address?: TransportAddress
  readonly manufacturer: string
  readonly model: string
  readonly serialNumber?: string
  readonly versions?: Versions
  /** MDC_DEV_SPEC_PROFILE codes; taken from the measurements when absent. `version` defaults to `1`. */
  readonly specializations?: readonly { readonly code: number; readonly version?: string }[]
  /** How the device's clock is set, if it is known. */
  readonly timeSync?: TimeSync
}

/** The gateway (phone, hub) that took the reading over. */
export type GatewayIdentity = {
  readonly systemId?: string
  readonly address?: TransportAddress
  readonly manufacturer?: string
  readonly model?: string
  readonly serialNumber?: string
  readonly versions?: Versions
  /** How the gateway's clock is set; default `none`: nothing is claimed. */
  readonly timeSync?: TimeSync
}

/** Either the logical id the patient has on the server (no Patient is sent), or an identifier to create under. */
export type PatientIdentity =
  | { readonly id: string }
  | {
      readonly identifier: {
        readonly system: string
        readonly value: string
        /** HL7 v2-0203 code such as `MR`; none by default. */
        readonly type?: string
      }
      /** Left out on purpose by many gateways: it is health information. */
      readonly name?: { readonly family?: string; readonly given?: readonly string[] }
    }

/**
 * The time of the measurement and how far to trust it.
 *
 * Device times are the device's own, exactly as reported, because the duplicate-suppressing identifier is made
 * from them: `2024-05-01T08:00:00` (local), `…Z` (UTC), `…+02:00` (local with reported offset), fraction digits
 * = resolution; or the seconds of a tick counter, `12345.678`. Gateway times always carry an offset.
 */
export type ReadingTime =
  | {
      /** The device clock runs on the current time line but was not set by a reliable source. */
      readonly quality: 'unsynchronized'
      readonly measuredAt: string
      /** The device's clock at the moment `gatewayTime`, in the same form as `measuredAt`. */
      readonly deviceTime: string
      readonly gatewayTime: string
      /** How the device's clock is set; told in the coincident time stamp. */
      readonly syncMethod?: TimeSync
    }
  /** `measuredAt` with `Z` or an offset. */
  | { readonly quality: 'synchronized-utc'; readonly measuredAt: string; readonly gatewayTime?: string }
  /** `measuredAt` without offset; the one of `gatewayTime` is added. */
  | { readonly quality: 'synchronized-local'; readonly measuredAt: string; readonly gatewayTime: string }
  /**
   * The device reports a fault of its clock, so that nothing the clock shows now is of use. `measuredAt`, a date-time,
   * stands as reported, with the offset of `gatewayTime` where it has none; a coincident time stamp without a device
   * time tells that nobody could check it.
   */
  | { readonly quality: 'time-fault'; readonly measuredAt: string; readonly gatewayTime: string }
  /** The device clock was reset or lost: such a reading is skipped, it cannot be placed in time. */
  | { readonly quality: 'other-time-line'; readonly measuredAt?: string; readonly gatewayTime?: string }
  /** No time stamp: `gatewayTime` is the moment of reception. */
  | { readonly quality: 'none'; readonly gatewayTime: string }

/** A number with its exact digits, or a special value of the device's float format. */
export type MeasuredValue = Decimal | SpecialValue

type MeasurementBase = {
  readonly status?: readonly MeasurementStatus[]
  /** MDC codes of supplemental types (as a modality); they become part of the identifier. */
  readonly supplementalTypes?: readonly number[]
  /** Length of the measurement in seconds; the time stamp is its start. */
  readonly duration?: Decimal
  /** Seconds from the time of the reading to this measurement, negative for an earlier one; default 0. */
  readonly offset?: Decimal
}

type TypesOfKind<K> = {
  [T in MeasurementType]: (typeof MEASUREMENTS)[T] extends { kind: K } ? T : never
}[MeasurementType]

export type NumericMeasurement = MeasurementBase & {
  readonly kind: 'numeric'
  readonly type: TypesOfKind<'numeric'>
  readonly value: MeasuredValue
  /** UCUM code; the README lists the ones each measurement takes. */
  readonly unit: string
}
export type CompoundMeasurement = MeasurementBase & {
  readonly kind: 'compound'
  readonly type: TypesOfKind<'compound'>
  readonly components: Readonly<Record<string, MeasuredValue>>
  readonly unit: string
}
export type CodedMeasurement = MeasurementBase & {
  readonly kind: 'coded'
  readonly type: TypesOfKind<'coded'>
  /** One of the names that the README lists. */
  readonly value: string
}
export type BitsMeasurement = MeasurementBase & {
  readonly kind: 'bits'
  readonly type: TypesOfKind<'bits'>
  /** Names of the bits that are set. */
  readonly set: readonly string[]
  /**
   * Names of the states that are known not to hold. An event that has not happened is not reported, so only states
   * may stand here. With nothing set and nothing clear there is no Observation.
   */
  readonly clear?: readonly string[]
}
/** A wave: value = `origin` + `factor` × sample. `sampleScale` makes both from the ranges a device reports. */
export type SamplesMeasurement = MeasurementBase & {
  readonly kind: 'samples'
  readonly type: TypesOfKind<'samples'>
  readonly unit: string
  /** Milliseconds from sample to sample. */
  readonly period: Decimal
  readonly origin: Decimal
  /** Default 1. */
  readonly factor?: Decimal
  /** Samples at and beyond it are cut off; in the unit of the samples, not scaled. */
  readonly lowerLimit?: Decimal
  readonly upperLimit?: Decimal
  /** Whole numbers, at least one. */
  readonly samples: readonly number[]
}
export type StringMeasurement = MeasurementBase & {
  readonly kind: 'string'
  readonly type: TypesOfKind<'string'>
  readonly value: string
}
export type Measurement =
  | NumericMeasurement
  | CompoundMeasurement
  | CodedMeasurement
  | BitsMeasurement
  | SamplesMeasurement
  | StringMeasurement
