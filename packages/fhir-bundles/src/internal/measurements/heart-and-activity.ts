import type { UnitGroup } from '../units.js'
import type { Loinc, NumericRow, Rows, SamplesRow, StringRow } from './row.js'

const heartMonitor = 528390
const activityMonitor = 528425

const activity = (mdc: number, display: string, text: string, units: UnitGroup): NumericRow => ({
  kind: 'numeric',
  mdc,
  display,
  text,
  specialization: activityMonitor,
  units,
})

const calories: readonly Loinc[] = [{ code: '41981-2', display: 'Calories burned' }]

/** Heart rate straps, ECG, fitness equipment. Steps have no settled MDC code, so they have no row. */
export const heartAndActivityRows: Rows<
  | 'heart-rate'
  | 'rr-interval'
  | 'energy-expended'
  | 'distance'
  | 'speed'
  | 'cadence'
  | 'power'
  | 'active-time'
  | 'activity-heart-rate',
  NumericRow
> &
  Rows<'ecg-lead-1', SamplesRow> &
  Rows<'program-id', StringRow> = {
  'heart-rate': {
    kind: 'numeric',
    mdc: 147842,
    display: 'MDC_ECG_HEART_RATE',
    loinc: [{ code: '8867-4', display: 'Heart rate' }],
    text: 'Heart rate',
    specialization: heartMonitor,
    vitalSign: true,
    units: 'beats',
  },
  'rr-interval': {
    kind: 'numeric',
    mdc: 147240,
    display: 'MDC_ECG_TIME_PD_RR_GL',
    text: 'R-R interval',
    specialization: heartMonitor,
    units: 'interval',
  },
  'energy-expended': {
    kind: 'numeric',
    mdc: 8454263,
    display: 'MDC_HF_ENERGY',
    loinc: calories,
    text: 'Energy expended',
    specialization: heartMonitor,
    units: 'energy',
  },
  'ecg-lead-1': {
    kind: 'samples',
    mdc: 131329,
    display: 'MDC_ECG_ELEC_POTL_I',
    text: 'ECG, lead I',
    specialization: heartMonitor,
    units: 'voltage',
  },
  distance: activity(8454247, 'MDC_HF_DISTANCE', 'Distance', 'distance'),
  speed: activity(8454254, 'MDC_HF_SPEED', 'Speed', 'speed'),
  cadence: activity(8454255, 'MDC_HF_CAD', 'Cadence', 'rotations'),
  power: activity(8454259, 'MDC_HF_POWER', 'Power', 'power'),
  'active-time': activity(8454269, 'MDC_HF_ACTIVITY_TIME', 'Active time', 'minutes'),
  // Over a period of exercise, so not the vital sign.
  'activity-heart-rate': activity(8454258, 'MDC_HF_HR', 'Heart rate during activity', 'beats'),
  'program-id': {
    kind: 'string',
    mdc: 8454252,
    display: 'MDC_HF_PROGRAM_ID',
    text: 'Program',
    specialization: activityMonitor,
  },
}
