import type { BitsRow, NumericRow, Rows, SamplesRow } from './row.js'

const specialization = 528388

const bit = (number: number, display: string, text: string): BitsRow['bits'][string] => ({
  bit: number,
  display,
  text,
})

export const pulseOximeterRows: Rows<
  'oxygen-saturation' | 'oximeter-pulse-rate' | 'pulse-amplitude-index' | 'oximeter-signal-quality',
  NumericRow
> &
  Rows<'pleth-wave', SamplesRow> &
  Rows<'oximeter-status', BitsRow> = {
  'oxygen-saturation': {
    kind: 'numeric',
    mdc: 150456,
    display: 'MDC_PULS_OXIM_SAT_O2',
    loinc: [
      { code: '2708-6', display: 'Oxygen saturation in Arterial blood' },
      { code: '59408-5', display: 'Oxygen saturation in Arterial blood by Pulse oximetry' },
    ],
    text: 'Oxygen saturation',
    specialization,
    vitalSign: true,
    units: 'percent',
  },
  'oximeter-pulse-rate': {
    kind: 'numeric',
    mdc: 149530,
    display: 'MDC_PULS_OXIM_PULS_RATE',
    loinc: [{ code: '8867-4', display: 'Heart rate' }],
    text: 'Pulse rate',
    specialization,
    vitalSign: true,
    units: 'beats',
  },
  'pulse-amplitude-index': {
    kind: 'numeric',
    mdc: 150448,
    display: 'MDC_PULS_OXIM_PERF_REL',
    loinc: [{ code: '61006-3', display: 'Perfusion index Tissue by Pulse oximetry' }],
    text: 'Pulse amplitude index',
    specialization,
    units: 'percent',
  },
  'oximeter-signal-quality': {
    kind: 'numeric',
    mdc: 150320,
    display: 'MDC_SAT_O2_QUAL',
    text: 'Quality of the oximeter signal',
    specialization,
    units: 'percent',
  },
  'pleth-wave': {
    kind: 'samples',
    mdc: 150452,
    display: 'MDC_PULS_OXIM_PLETH',
    text: 'Pleth wave',
    specialization,
    units: 'dimensionless',
  },
  'oximeter-status': {
    kind: 'bits',
    mdc: 150604,
    display: 'MDC_PULS_OXIM_DEV_STATUS',
    text: 'Pulse oximeter status',
    specialization,
    bits: {
      'sensor-disconnected': bit(0, 'sensor-disconnected', 'Sensor disconnected'),
      'sensor-malfunction': bit(1, 'sensor-malfunction', 'Sensor malfunction'),
      'sensor-displaced': bit(2, 'sensor-displaced', 'Sensor displaced'),
      'sensor-unsupported': bit(3, 'sensor-unsupported', 'Unsupported sensor'),
      'sensor-off': bit(4, 'sensor-off', 'Sensor not on the user'),
      'sensor-interference': bit(5, 'sensor-interference', 'Sensor interference'),
      'signal-searching': bit(6, 'signal-searching', 'Searching for a signal'),
      'signal-pulse-questionable': bit(7, 'signal-pulse-questionable', 'Questionable pulse'),
      'signal-non-pulsatile': bit(8, 'signal-non-pulsatile', 'Signal without pulse'),
      'signal-erratic': bit(9, 'signal-erratic', 'Erratic signal'),
      'signal-low-perfusion': bit(10, 'signal-low-perfusion', 'Low perfusion'),
      'signal-poor': bit(11, 'signal-poor', 'Poor signal'),
      'signal-inadequate': bit(12, 'signal-inadequate', 'Inadequate signal'),
      'signal-processing-irregularity': bit(
        13,
        'signal-processing-irregularity',
        'Irregularity in signal processing',
      ),
      'device-equipment-malfunction': bit(14, 'device-equipment-malfunction', 'Equipment malfunction'),
      'device-extended-update': bit(15, 'device-extended-update', 'Extended display update in progress'),
    },
  },
}
