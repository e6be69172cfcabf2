export { GattError, type GattErrorCode } from './errors.js'
export { floatOf, floatWord, sfloatOf, sfloatWord } from './floats.js'
export {
  type CurrentTime,
  type DateTime,
  decodeCurrentTime,
  decodeDateTime,
  knownDateTime,
} from './date-time.js'
export {
  type BloodPressureMeasurement,
  decodeBloodPressure,
  decodeIntermediateCuffPressure,
  type IntermediateCuffPressure,
} from './blood-pressure.js'
export {
  decodeGlucose,
  decodeGlucoseContext,
  type GlucoseContext,
  glucoseInUsualUnit,
  type GlucoseMeasurement,
} from './glucose.js'
export { decodeRecordAccess, type RecordAccess } from './record-access.js'
export { decodeHeartRate, type HeartRateMeasurement } from './heart-rate.js'
export { decodeTemperature, decodeTemperatureType, type TemperatureMeasurement } from './temperature.js'
export {
  type BodyCompositionMeasurement,
  decodeBodyComposition,
  decodeWeight,
  type NonStandardBodyComposition,
  type Unsuccessful,
  type WeightMeasurement,
} from './weight.js'
export {
  decodePulseOximetryContinuous,
  decodePulseOximetrySpot,
  type PulseOximetryContinuous,
  type PulseOximetrySpot,
} from './pulse-oximetry.js'
export {
  type ContinuousGlucoseMeasurement,
  type ContinuousGlucoseRecord,
  decodeContinuousGlucose,
  decodeSessionStartTime,
  type SessionStartTime,
} from './continuous-glucose.js'
export {
  decodeBattery,
  decodePnpId,
  decodeSystemId,
  decodeText,
  type PnpId,
  type SystemId,
} from './device-information.js'
export { type GattContext, type GattValues, readingFromGatt } from './reading-from-gatt.js'
