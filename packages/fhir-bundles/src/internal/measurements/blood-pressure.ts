import type { BitsRow, CompoundRow, NumericRow, Rows } from './row.js'

const specialization = 528391

export const bloodPressureRows: Rows<'blood-pressure', CompoundRow> &
  Rows<'pulse-rate', NumericRow> &
  Rows<'blood-pressure-status', BitsRow> = {
  'blood-pressure': {
    kind: 'compound',
    mdc: 150020,
    display: 'MDC_PRESS_BLD_NONINV',
    loinc: [{ code: '85354-9', display: 'Blood pressure panel with all children optional' }],
    text: 'Blood pressure',
    specialization,
    vitalSign: true,
    units: 'pressure',
    components: {
      systolic: {
        mdc: 150021,
        display: 'MDC_PRESS_BLD_NONINV_SYS',
        loinc: [{ code: '8480-6', display: 'Systolic blood pressure' }],
        text: 'Systolic blood pressure',
        required: true,
      },
      diastolic: {
        mdc: 150022,
        display: 'MDC_PRESS_BLD_NONINV_DIA',
        loinc: [{ code: '8462-4', display: 'Diastolic blood pressure' }],
        text: 'Diastolic blood pressure',
        required: true,
      },
      mean: {
        mdc: 150023,
        display: 'MDC_PRESS_BLD_NONINV_MEAN',
        loinc: [{ code: '8478-0', display: 'Mean blood pressure' }],
        text: 'Mean blood pressure',
        required: false,
      },
    },
  },
  'pulse-rate': {
    kind: 'numeric',
    mdc: 149546,
    display: 'MDC_PULS_RATE_NON_INV',
    loinc: [{ code: '8867-4', display: 'Heart rate' }],
    text: 'Pulse rate',
    specialization,
    vitalSign: true,
    units: 'beats',
  },
  'blood-pressure-status': {
    kind: 'bits',
    mdc: 8410608,
    display: 'MDC_BLOOD_PRESSURE_MEASUREMENT_STATUS',
    text: 'Blood pressure measurement status',
    specialization,
    derivedFrom: ['blood-pressure'],
    bits: {
      'body-movement': { bit: 0, text: 'Body movement', display: 'body-movement' },
      'cuff-too-loose': { bit: 1, text: 'Cuff too loose', display: 'cuff-too-loose' },
      'irregular-pulse': { bit: 2, text: 'Irregular pulse', display: 'irregular-pulse' },
      'pulse-rate-above-range': { bit: 3, text: 'Pulse rate above range', display: 'pulse-over-range-limit' },
      'pulse-rate-below-range': {
        bit: 4,
        text: 'Pulse rate below range',
        display: 'pulse-under-range-limit',
      },
      'improper-body-position': { bit: 5, text: 'Improper body position', display: 'improper-body-position' },
    },
  },
}
