import type { BitsRow, Loinc, NumericRow, Rows } from './row.js'

const meter = 528401
const continuousMonitor = 528409

/** The specimen is in the MDC code. LOINC tells mass from amount of substance, so a code is for one unit only. */
const specimen = (mdc: number, display: string, text: string, loinc: readonly Loinc[] = []): NumericRow => ({
  kind: 'numeric',
  mdc,
  display,
  loinc,
  text,
  specialization: meter,
  units: 'glucose',
})

const bit = (number: number, display: string, text: string): BitsRow['bits'][string] => ({
  bit: number,
  display,
  text,
})

export const glucoseRows: Rows<
  | 'glucose-capillary-whole-blood'
  | 'glucose-capillary-plasma'
  | 'glucose-venous-whole-blood'
  | 'glucose-venous-plasma'
  | 'glucose-arterial-whole-blood'
  | 'glucose-arterial-plasma'
  | 'glucose-undetermined-whole-blood'
  | 'glucose-undetermined-plasma'
  | 'glucose-interstitial-fluid'
  | 'glucose-control-solution'
  | 'glucose-trend',
  NumericRow
> &
  Rows<'glucose-meter-status' | 'glucose-monitor-status', BitsRow> = {
  'glucose-capillary-whole-blood': specimen(
    160184,
    'MDC_CONC_GLU_CAPILLARY_WHOLEBLOOD',
    'Glucose, capillary whole blood',
    [
      {
        code: '41653-7',
        display: 'Glucose [Mass/volume] in Capillary blood by Glucometer',
        unit: 'mg/dL',
      },
    ],
  ),
  'glucose-capillary-plasma': specimen(160188, 'MDC_CONC_GLU_CAPILLARY_PLASMA', 'Glucose, capillary plasma'),
  'glucose-venous-whole-blood': specimen(
    160192,
    'MDC_CONC_GLU_VENOUS_WHOLEBLOOD',
    'Glucose, venous whole blood',
  ),
  'glucose-venous-plasma': specimen(160196, 'MDC_CONC_GLU_VENOUS_PLASMA', 'Glucose, venous plasma'),
  'glucose-arterial-whole-blood': specimen(
    160200,
    'MDC_CONC_GLU_ARTERIAL_WHOLEBLOOD',
    'Glucose, arterial whole blood',
  ),
  'glucose-arterial-plasma': specimen(160204, 'MDC_CONC_GLU_ARTERIAL_PLASMA', 'Glucose, arterial plasma'),
  'glucose-undetermined-whole-blood': specimen(
    160364,
    'MDC_CONC_GLU_UNDETERMINED_WHOLEBLOOD',
    'Glucose, whole blood',
  ),
  'glucose-undetermined-plasma': specimen(160368, 'MDC_CONC_GLU_UNDETERMINED_PLASMA', 'Glucose, plasma'),
  'glucose-interstitial-fluid': {
    ...specimen(160212, 'MDC_CONC_GLU_ISF', 'Glucose, interstitial fluid'),
    specialization: continuousMonitor,
  },
  'glucose-control-solution': specimen(160208, 'MDC_CONC_GLU_CONTROL', 'Glucose, control solution'),
  'glucose-trend': {
    kind: 'numeric',
    mdc: 8418008,
    display: 'MDC_CONC_GLU_TREND',
    text: 'Glucose trend',
    specialization: continuousMonitor,
    units: 'glucose-rate',
  },
  'glucose-meter-status': {
    kind: 'bits',
    mdc: 8417752,
    display: 'MDC_GLU_METER_DEV_STATUS',
    text: 'Glucose meter status',
    specialization: meter,
    bits: {
      'battery-low': bit(0, 'device-battery-low', 'Battery low'),
      'sensor-malfunction': bit(1, 'sensor-malfunction', 'Sensor malfunction'),
      'sample-too-small': bit(2, 'sensor-sample-size-insufficient', 'Not enough blood'),
      'strip-insertion': bit(3, 'sensor-strip-insertion', 'Strip inserted wrongly'),
      'strip-type-incorrect': bit(4, 'sensor-strip-type-incorrect', 'Wrong type of strip'),
      'result-too-high': bit(5, 'sensor-result-too-high', 'Result above what can be measured'),
      'result-too-low': bit(6, 'sensor-result-too-low', 'Result below what can be measured'),
      'temperature-too-high': bit(7, 'sensor-temp-too-high', 'Temperature too high'),
      'temperature-too-low': bit(8, 'sensor-temp-too-low', 'Temperature too low'),
      'read-interrupted': bit(9, 'sensor-read-interrupt', 'Measurement interrupted'),
      'general-fault': bit(10, 'device-gen-fault', 'General fault'),
      // Bit 11 of the Bluetooth characteristic is another one: a time fault.
      'temperature-out-of-range': bit(11, 'sensor-temp-out-of-range', 'Temperature out of range'),
    },
  },
  'glucose-monitor-status': {
    kind: 'bits',
    mdc: 8418060,
    display: 'MDC_CGM_DEV_STAT',
    text: 'Glucose monitor status',
    specialization: continuousMonitor,
    bits: {
      'session-stopped': bit(0, 'sensor-session-stopped', 'Session stopped'),
      'sensor-type-incorrect': bit(2, 'sensor-type-incorrect', 'Wrong type of sensor'),
      'sensor-malfunction': bit(3, 'sensor-malfunction', 'Sensor malfunction'),
      'device-specific-alert': bit(4, 'device-specific-alert', 'Alert of the device'),
      'calibration-not-allowed': bit(7, 'sensor-calibration-not-allowed', 'Calibration not allowed'),
      'calibration-recommended': bit(8, 'sensor-calibration-recommended', 'Calibration recommended'),
      'calibration-required': bit(9, 'sensor-calibration-required', 'Calibration required'),
      'temperature-too-high': bit(10, 'sensor-temp-too-high', 'Temperature too high'),
      'temperature-too-low': bit(11, 'sensor-temp-too-low', 'Temperature too low'),
      'below-patient-low': bit(12, 'sensor-result-below-patient-low', "Below the patient's low level"),
      'above-patient-high': bit(13, 'sensor-result-above-patient-high', "Above the patient's high level"),
      'below-hypo': bit(14, 'sensor-low-hypo', 'Below the hypoglycaemia level'),
      'above-hyper': bit(15, 'sensor-high-hyper', 'Above the hyperglycaemia level'),
      'falls-too-fast': bit(16, 'sensor-rate-decrease-exceeded', 'Falls faster than the alert rate'),
      'rises-too-fast': bit(17, 'sensor-rate-increase-exceeded', 'Rises faster than the alert rate'),
      'result-too-low': bit(18, 'sensor-result-too-low', 'Result below what can be measured'),
      'result-too-high': bit(19, 'sensor-result-too-high', 'Result above what can be measured'),
      'out-of-range': bit(20, 'sensor-com-out-of-range', 'Sensor out of radio range'),
    },
  },
}
