export { decimal, type Decimal, decimalText, isDecimal } from './decimal.js'
export { sampleScale } from './sample-scale.js'
export { stringifyExact, toPlainJson } from './stringify-exact.js'
export { stringifyReading } from './stringify-reading.js'
export { BundleError, type BundleErrorCode, isBundleError } from './errors.js'
export { parseReading } from './parse-reading.js'
export type {
  BitsMeasurement,
  CodedMeasurement,
  CompoundMeasurement,
  DeviceIdentity,
  GatewayIdentity,
  MeasuredValue,
  Measurement,
  MeasurementStatus,
  MeasurementType,
  NumericMeasurement,
  PatientIdentity,
  Reading,
  ReadingTime,
  SamplesMeasurement,
  SpecialValue,
  StringMeasurement,
  TimeSync,
  TransportAddress,
  Versions,
} from './reading.js'
export {
  deviceBundle,
  type DeviceBundleOptions,
  type DeviceBundleResult,
  type KnownReferences,
  type SkippedReading,
} from './device-bundle.js'
export { knownFromResponse } from './known-from-response.js'
export {
  packTransaction,
  type PackOptions,
  type TransactionLimits,
  type TransactionPart,
} from './pack-transaction.js'
export { bisectBundle } from './bisect-bundle.js'
export { type EntryResult, unpackResponse, type UnpackedResponse } from './unpack-response.js'
export type {
  CodeableConcept,
  Coding,
  DeviceBundleEntry,
  DeviceBundleResource,
  DeviceResource,
  Extension,
  Identifier,
  Meta,
  ObservationComponent,
  ObservationResource,
  PatientResource,
  Period,
  Quantity,
  Reference,
  SampledData,
  TransactionBundle,
  TransactionEntry,
} from './resources.js'
