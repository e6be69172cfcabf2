import type { NumericRow, Rows } from './row.js'

/** The site is in the MDC code; the LOINC code is that of the vital sign for all of them. */
const at = (mdc: number, display: string, text: string): NumericRow => ({
  kind: 'numeric',
  mdc,
  display,
  loinc: [{ code: '8310-5', display: 'Body temperature' }],
  text,
  specialization: 528392,
  vitalSign: true,
  units: 'temperature',
})

export const thermometerRows: Rows<
  | 'body-temperature'
  | 'body-temperature-axilla'
  | 'body-temperature-ear'
  | 'body-temperature-finger'
  | 'body-temperature-gastro-intestinal'
  | 'body-temperature-oral'
  | 'body-temperature-rectal'
  | 'body-temperature-toe'
  | 'body-temperature-tympanic',
  NumericRow
> = {
  'body-temperature': at(150364, 'MDC_TEMP_BODY', 'Body temperature'),
  'body-temperature-axilla': at(188452, 'MDC_TEMP_AXILLA', 'Body temperature, armpit'),
  'body-temperature-ear': at(188428, 'MDC_TEMP_EAR', 'Body temperature, ear'),
  'body-temperature-finger': at(188432, 'MDC_TEMP_FINGER', 'Body temperature, finger'),
  'body-temperature-gastro-intestinal': at(188456, 'MDC_TEMP_GIT', 'Body temperature, gastro-intestinal'),
  'body-temperature-oral': at(188424, 'MDC_TEMP_ORAL', 'Body temperature, mouth'),
  'body-temperature-rectal': at(188420, 'MDC_TEMP_RECT', 'Body temperature, rectum'),
  'body-temperature-toe': at(188448, 'MDC_TEMP_TOE', 'Body temperature, toe'),
  'body-temperature-tympanic': at(150392, 'MDC_TEMP_TYMP', 'Body temperature, eardrum'),
}
