import { bloodPressureRows } from './measurements/blood-pressure.js'
import { glucoseContextRows } from './measurements/glucose-context.js'
import { glucoseRows } from './measurements/glucose.js'
import { heartAndActivityRows } from './measurements/heart-and-activity.js'
import { otherRows } from './measurements/lungs-and-others.js'
import { pulseOximeterRows } from './measurements/pulse-oximeter.js'
import type { MeasurementRow } from './measurements/row.js'
import { scaleRows } from './measurements/scale.js'
import { thermometerRows } from './measurements/thermometer.js'

/** Every measurement by the name it has in a reading. */
export const MEASUREMENTS: typeof bloodPressureRows &
  typeof pulseOximeterRows &
  typeof thermometerRows &
  typeof scaleRows &
  typeof glucoseRows &
  typeof glucoseContextRows &
  typeof heartAndActivityRows &
  typeof otherRows = {
  ...bloodPressureRows,
  ...pulseOximeterRows,
  ...thermometerRows,
  ...scaleRows,
  ...glucoseRows,
  ...glucoseContextRows,
  ...heartAndActivityRows,
  ...otherRows,
}

export type MeasurementType = keyof typeof MEASUREMENTS

/** The row as the generic type, for code that treats all rows alike. */
export function rowOf(type: MeasurementType): MeasurementRow {
  return MEASUREMENTS[type]
}
