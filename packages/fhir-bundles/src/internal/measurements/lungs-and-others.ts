import type { BitsRow, NumericRow, Rows } from './row.js'

const genericDevice = 528457

/** Respiration, peak flow and spirometry, coagulation, and what any device may report about itself. */
export const otherRows: Rows<
  | 'respiratory-rate'
  | 'peak-expiratory-flow'
  | 'personal-best-peak-flow'
  | 'fev1'
  | 'fvc'
  | 'fev1-fvc-ratio'
  | 'inr'
  | 'battery',
  NumericRow
> &
  Rows<'power-status', BitsRow> = {
  'respiratory-rate': {
    kind: 'numeric',
    mdc: 151562,
    display: 'MDC_RESP_RATE',
    loinc: [{ code: '9279-1', display: 'Respiratory rate' }],
    text: 'Respiratory rate',
    specialization: 528397,
    vitalSign: true,
    units: 'breaths',
  },
  'peak-expiratory-flow': {
    kind: 'numeric',
    mdc: 152584,
    display: 'MDC_FLOW_AWAY_EXP_FORCED_PEAK',
    loinc: [{ code: '19935-6' }],
    text: 'Peak expiratory flow',
    specialization: 528405,
    units: 'flow',
  },
  'personal-best-peak-flow': {
    kind: 'numeric',
    mdc: 152585,
    display: 'MDC_FLOW_AWAY_EXP_FORCED_PEAK_PB',
    text: 'Personal best of the peak expiratory flow',
    specialization: 528405,
    units: 'flow',
  },
  fev1: {
    kind: 'numeric',
    mdc: 152586,
    display: 'MDC_VOL_AWAY_EXP_FORCED_1S',
    loinc: [{ code: '20150-9', display: 'FEV1' }],
    text: 'Forced expiratory volume in one second',
    specialization: 528413,
    units: 'volume',
  },
  fvc: {
    kind: 'numeric',
    mdc: 188928,
    loinc: [{ code: '19870-5' }],
    text: 'Forced vital capacity',
    specialization: 528413,
    units: 'volume',
  },
  'fev1-fvc-ratio': {
    kind: 'numeric',
    mdc: 188948,
    text: 'Forced expiratory volume in one second by forced vital capacity',
    specialization: 528413,
    units: 'percent',
  },
  inr: {
    kind: 'numeric',
    mdc: 160260,
    display: 'MDC_RATIO_INR_COAG',
    text: 'International normalised ratio',
    specialization: 528402,
    units: 'inr',
  },
  battery: {
    kind: 'numeric',
    mdc: 67996,
    display: 'MDC_ATTR_VAL_BATT_CHARGE',
    text: 'Battery charge',
    specialization: genericDevice,
    units: 'percent',
  },
  'power-status': {
    kind: 'bits',
    mdc: 67925,
    display: 'MDC_ATTR_POWER_STAT',
    text: 'Power status',
    specialization: genericDevice,
    bits: {
      'on-mains': { bit: 0, display: 'onMains', text: 'On mains power', state: true },
      'on-battery': { bit: 1, display: 'onBattery', text: 'On battery', state: true },
      'charging-full': { bit: 8, display: 'chargingFull', text: 'Charging at full rate' },
      'charging-trickle': { bit: 9, display: 'chargingTrickle', text: 'Trickle charging' },
      'charging-off': { bit: 10, display: 'chargingOff', text: 'Not charging', state: true },
    },
  },
}
