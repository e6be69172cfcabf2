/** Code systems, identifier systems and profiles of the Personal Health Device guide and of R4. */

export const MDC = 'urn:iso:std:iso:11073:10101'
export const LOINC = 'http://loinc.org'
export const UCUM = 'http://unitsofmeasure.org'
export const ASN1_BITS = 'http://terminology.hl7.org/CodeSystem/ASN1ToHL7'
export const OBSERVATION_CATEGORY = 'http://terminology.hl7.org/CodeSystem/observation-category'
export const PHD_CATEGORY = 'http://hl7.org/fhir/uv/phd/CodeSystem/PhdObservationCategories'
export const DATA_ABSENT_REASON = 'http://terminology.hl7.org/CodeSystem/data-absent-reason'
// The guide fixes this one with `exactly`, although the terminology has since moved to terminology.hl7.org.
export const MEASUREMENT_STATUS = 'http://hl7.org/fhir/uv/pocd/CodeSystem/measurement-status'
export const ACT_REASON = 'http://terminology.hl7.org/CodeSystem/v3-ActReason'
export const IDENTIFIER_TYPE = 'http://terminology.hl7.org/CodeSystem/v2-0203'
export const DEVICE_IDENTIFIER_TYPE = 'http://terminology.hl7.org/CodeSystem/ContinuaDeviceIdentifiers'

const PHD_PROFILE = 'http://hl7.org/fhir/uv/phd/StructureDefinition/'
export const phdProfile = (name: string): string => `${PHD_PROFILE}${name}`
export const COINCIDENT_EXTENSION: string = phdProfile('CoincidentTimeStampReference')
export const GATEWAY_EXTENSION = 'http://hl7.org/fhir/StructureDefinition/observation-gatewayDevice'

/** System of the guide's observation identifier (its own profile URL, as the guide says). */
export const OBSERVATION_IDENTIFIER: string = phdProfile('PhdBaseObservation')
/**
 * Systems of the identifiers that are ours: the guide gives none to a coincident time stamp nor to a measurement
 * without a device time stamp, and a resource without identifier is created twice when its bundle is repeated.
 * (OIDs under 2.25 are UUIDs, free for everybody; a `urn:uuid:` system would look like a dangling reference.)
 */
export const COINCIDENT_IDENTIFIER = 'urn:oid:2.25.79250627692709401424601792500409362385'
export const RECEPTION_IDENTIFIER = 'urn:oid:2.25.257790535599238640109082714626681127814'

/** Device identifier kinds: `identifier.type` code, `identifier.system`, number of octets. */
export const ADDRESS_KINDS = {
  bluetooth: { type: 'BTMAC', system: 'http://hl7.org/fhir/sid/eui-48/bluetooth', octets: 6 },
  ethernet: { type: 'ETHMAC', system: 'http://hl7.org/fhir/sid/eui-48/ethernet', octets: 6 },
  zigbee: { type: 'ZIGBEE', system: 'http://hl7.org/fhir/sid/eui-64/zigbee', octets: 8 },
} as const
export const SYSTEM_ID = {
  type: 'SYSID',
  system: 'urn:oid:1.2.840.10004.1.1.1.0.0.1.0.0.1.2680',
  octets: 8,
} as const

/** `Device.version[].type`. */
export const VERSION_KINDS = {
  hardware: { code: 531974, display: 'MDC_ID_PROD_SPEC_HW', text: 'Hardware revision' },
  software: { code: 531975, display: 'MDC_ID_PROD_SPEC_SW', text: 'Software revision' },
  firmware: { code: 531976, display: 'MDC_ID_PROD_SPEC_FW', text: 'Firmware revision' },
  protocol: { code: 531977, display: undefined, text: 'Protocol revision' },
  continua: { code: 532352, display: 'MDC_REG_CERT_DATA_CONTINUA_VERSION', text: 'Continua version' },
} as const

/** How a clock is set (property and component 68220). */
export const TIME_SYNC_METHODS = {
  none: { code: 532224, display: 'MDC_TIME_SYNC_NONE', text: 'Not synchronised' },
  ntpv4: { code: 532226, display: 'MDC_TIME_SYNC_NTPV4', text: 'NTP version 4' },
  gsm: { code: 532233, display: 'MDC_TIME_SYNC_GSM', text: 'Mobile network' },
  manual: { code: 532234, display: 'MDC_TIME_SYNC_EBWW', text: 'Set by hand' },
} as const

/** Clock types of a coincident time stamp. 68226, not the 68225 of the guide's prose: the value set is required. */
export const CLOCKS = {
  absolute: { code: 67975, display: 'MDC_ATTR_TIME_ABS', text: 'Absolute time' },
  baseOffset: { code: 68226, display: undefined, text: 'Base time with offset' },
  relative: { code: 67983, display: undefined, text: 'Tick counter' },
} as const

/**
 * `Device.specialization[].systemType`: names and texts of the codes we know; others travel as the bare code. The
 * guide keeps codes that the published terminology lacks in a code system of its own.
 */
export const SPECIALIZATIONS: Readonly<
  Record<number, { readonly display: string; readonly text: string; readonly system?: string }>
> = {
  528388: { display: 'MDC_DEV_SPEC_PROFILE_PULS_OXIM', text: 'Pulse oximeter' },
  528390: { display: 'MDC_DEV_SPEC_PROFILE_ECG', text: 'Heart monitor' },
  528391: { display: 'MDC_DEV_SPEC_PROFILE_BP', text: 'Blood pressure cuff' },
  528392: { display: 'MDC_DEV_SPEC_PROFILE_TEMP', text: 'Thermometer' },
  528397: { display: 'MDC_DEV_SPEC_PROFILE_RESP_RATE', text: 'Respiration monitor' },
  528399: { display: 'MDC_DEV_SPEC_PROFILE_SCALE', text: 'Scale' },
  528401: { display: 'MDC_DEV_SPEC_PROFILE_GLUCOSE', text: 'Glucose meter' },
  528402: { display: 'MDC_DEV_SPEC_PROFILE_COAG', text: 'Coagulation meter' },
  528404: { display: 'MDC_DEV_SPEC_PROFILE_BCA', text: 'Body composition analyser' },
  528405: { display: 'MDC_DEV_SPEC_PROFILE_PEFM', text: 'Peak flow meter' },
  528409: { display: 'MDC_DEV_SPEC_PROFILE_CGM', text: 'Continuous glucose monitor' },
  528413: {
    display: 'MDC_DEV_SPEC_PROFILE_SPIROMETER',
    text: 'Spirometer',
    system: 'http://hl7.org/fhir/uv/phd/CodeSystem/MissingMDCCodes',
  },
  528425: { display: 'MDC_DEV_SPEC_PROFILE_HF_CARDIO', text: 'Activity monitor' },
  528457: { display: 'MDC_DEV_SPEC_PROFILE_GENERIC', text: 'Generic device' },
}

/** Names of supplemental types that decoders add. */
export const SUPPLEMENTAL_TYPES: Readonly<
  Record<number, { readonly display: string; readonly text: string }>
> = {
  150580: { display: 'MDC_MODALITY_FAST', text: 'Fast response' },
  150584: { display: 'MDC_MODALITY_SLOW', text: 'Slow response' },
  150588: { display: 'MDC_MODALITY_SPOT', text: 'Spot check' },
}
