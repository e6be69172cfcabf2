export {
  type SimulatedDevice,
  simulateDevice,
  type SimulatedKind,
  type SimulatedPacket,
  type SimulateOptions,
} from './simulate-device.js'
export {
  encodeBloodPressure,
  encodeCurrentTime,
  encodeGlucose,
  encodeGlucoseContext,
  encodeHeartRate,
  encodePulseOximetryContinuous,
  encodePulseOximetrySpot,
  encodeSystemId,
  encodeTemperature,
  encodeWeight,
} from './encode.js'
