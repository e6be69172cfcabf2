import type { CodeableConcept, Coding, Meta } from '../resources.js'
import { compact } from './check.js'
import { LOINC, MDC, OBSERVATION_CATEGORY, PHD_CATEGORY, phdProfile } from './codes.js'
import { remembered } from './constant.js'
import type { ComponentRow, MeasurementRow } from './measurements/row.js'

/** What every Observation of a row has in common, made when the first one needs it. */

const PROFILES: Readonly<Record<MeasurementRow['kind'], readonly string[]>> = {
  numeric: ['PhdNumericObservation'],
  compound: ['PhdCompoundNumericObservation', 'PhdCompoundObservation'],
  coded: ['PhdCodedEnumerationObservation'],
  bits: ['PhdBitsEnumerationObservation'],
  samples: ['PhdRtsaObservation'],
  string: ['PhdStringObservation'],
}

const metas = new Map<MeasurementRow['kind'], Meta>()

export function metaOf({ kind }: MeasurementRow): Meta {
  return remembered(metas, kind, () => ({ profile: PROFILES[kind].map(phdProfile) }))
}

const categories = new Map<boolean, readonly CodeableConcept[]>()

export function categoryOf({ vitalSign }: MeasurementRow): readonly CodeableConcept[] {
  return remembered(categories, vitalSign === true, () => {
    const phd = { coding: [{ system: PHD_CATEGORY, code: 'phd' }] }
    if (vitalSign !== true) return [phd]
    const vital = { system: OBSERVATION_CATEGORY, code: 'vital-signs', display: 'Vital Signs' }
    return [{ coding: [vital] }, phd]
  })
}

type Coded = MeasurementRow | ComponentRow

const codes = new Map<Coded, CodeableConcept>()
/** Of the rows whose LOINC coding depends on the unit. */
const codesByUnit = new Map<Coded, Map<string | undefined, CodeableConcept>>()

/** The MDC coding and those LOINC codings that fit the unit the value leaves in. */
export function codeOf(row: Coded, unit: string | undefined): CodeableConcept {
  const known = codes.get(row)
  if (known !== undefined) return known
  if (row.loinc?.some((loinc) => loinc.unit !== undefined) !== true) {
    return remembered(codes, row, () => concept(row, unit))
  }
  let units = codesByUnit.get(row)
  if (units === undefined) codesByUnit.set(row, (units = new Map()))
  return remembered(units, unit, () => concept(row, unit))
}

function concept({ mdc, display, loinc = [], text }: Coded, unit: string | undefined): CodeableConcept {
  const codings: Coding[] = [compact({ system: MDC, code: String(mdc), display })]
  for (const one of loinc) {
    if (one.unit !== undefined && one.unit !== unit) continue
    codings.push(compact({ system: LOINC, code: one.code, display: one.display }))
  }
  return { coding: codings, text }
}
