import type { UnitGroup } from '../units.js'
import type { CodedRow, NumericRow, Rows } from './row.js'

const specialization = 528401

const numeric = (mdc: number, display: string, text: string, units: UnitGroup): NumericRow => ({
  kind: 'numeric',
  mdc,
  display,
  text,
  specialization,
  units,
})
const coded = (mdc: number, display: string, text: string, values: CodedRow['values']): CodedRow => ({
  kind: 'coded',
  mdc,
  display,
  text,
  specialization,
  values,
})

/** What goes with a glucose measurement: meal, food, drugs, exercise, health, who measured and where. */
export const glucoseContextRows: Rows<
  | 'carbohydrates'
  | 'carbohydrates-breakfast'
  | 'carbohydrates-lunch'
  | 'carbohydrates-dinner'
  | 'carbohydrates-snack'
  | 'carbohydrates-drink'
  | 'carbohydrates-supper'
  | 'carbohydrates-brunch'
  | 'medication'
  | 'medication-rapid-acting'
  | 'medication-short-acting'
  | 'medication-intermediate-acting'
  | 'medication-long-acting'
  | 'medication-premixed'
  | 'exercise'
  | 'hba1c',
  NumericRow
> &
  Rows<'meal-context' | 'health' | 'glucose-tester' | 'glucose-sample-location', CodedRow> = {
  carbohydrates: numeric(8417764, 'MDC_CTXT_GLU_CARB', 'Carbohydrates', 'food'),
  'carbohydrates-breakfast': numeric(
    8417768,
    'MDC_CTXT_GLU_CARB_BREAKFAST',
    'Carbohydrates, breakfast',
    'food',
  ),
  'carbohydrates-lunch': numeric(8417772, 'MDC_CTXT_GLU_CARB_LUNCH', 'Carbohydrates, lunch', 'food'),
  'carbohydrates-dinner': numeric(8417776, 'MDC_CTXT_GLU_CARB_DINNER', 'Carbohydrates, dinner', 'food'),
  'carbohydrates-snack': numeric(8417780, 'MDC_CTXT_GLU_CARB_SNACK', 'Carbohydrates, snack', 'food'),
  'carbohydrates-drink': numeric(8417784, 'MDC_CTXT_GLU_CARB_DRINK', 'Carbohydrates, drink', 'food'),
  'carbohydrates-supper': numeric(8417788, 'MDC_CTXT_GLU_CARB_SUPPER', 'Carbohydrates, supper', 'food'),
  'carbohydrates-brunch': numeric(8417792, 'MDC_CTXT_GLU_CARB_BRUNCH', 'Carbohydrates, brunch', 'food'),
  medication: numeric(8417796, 'MDC_CTXT_MEDICATION', 'Medication', 'dose'),
  'medication-rapid-acting': numeric(
    8417800,
    'MDC_CTXT_MEDICATION_RAPIDACTING',
    'Rapid acting insulin',
    'dose',
  ),
  'medication-short-acting': numeric(
    8417804,
    'MDC_CTXT_MEDICATION_SHORTACTING',
    'Short acting insulin',
    'dose',
  ),
  'medication-intermediate-acting': numeric(
    8417808,
    'MDC_CTXT_MEDICATION_INTERMEDIATEACTING',
    'Intermediate acting insulin',
    'dose',
  ),
  'medication-long-acting': numeric(8417812, 'MDC_CTXT_MEDICATION_LONGACTING', 'Long acting insulin', 'dose'),
  'medication-premixed': numeric(8417816, 'MDC_CTXT_MEDICATION_PREMIX', 'Pre-mixed insulin', 'dose'),
  exercise: numeric(8417760, 'MDC_CTXT_GLU_EXERCISE', 'Exercise intensity', 'percent'),
  hba1c: numeric(160220, 'MDC_CONC_HBA1C', 'HbA1c', 'percent'),
  'meal-context': coded(8417864, 'MDC_CTXT_GLU_MEAL', 'Meal context', {
    'before-meal': { mdc: 8417868, display: 'MDC_CTXT_GLU_MEAL_PREPRANDIAL', text: 'Before a meal' },
    'after-meal': { mdc: 8417872, display: 'MDC_CTXT_GLU_MEAL_POSTPRANDIAL', text: 'After a meal' },
    fasting: { mdc: 8417876, display: 'MDC_CTXT_GLU_MEAL_FASTING', text: 'Fasting' },
    casual: { mdc: 8417880, display: 'MDC_CTXT_GLU_MEAL_CASUAL', text: 'Casual' },
    // Public dictionaries give two codes for it.
    bedtime: { text: 'Bedtime' },
  }),
  health: coded(8417820, 'MDC_CTXT_GLU_HEALTH', 'Health', {
    'minor-issues': { mdc: 8417824, display: 'MDC_CTXT_GLU_HEALTH_MINOR', text: 'Minor health issues' },
    'major-issues': { mdc: 8417828, display: 'MDC_CTXT_GLU_HEALTH_MAJOR', text: 'Major health issues' },
    menses: { mdc: 8417832, display: 'MDC_CTXT_GLU_HEALTH_MENSES', text: 'During menses' },
    stress: { mdc: 8417836, display: 'MDC_CTXT_GLU_HEALTH_STRESS', text: 'Under stress' },
    'no-issues': { mdc: 8417840, display: 'MDC_CTXT_GLU_HEALTH_NONE', text: 'No health issues' },
  }),
  'glucose-tester': coded(8417884, 'MDC_CTXT_GLU_TESTER', 'Who measured the glucose', {
    self: { mdc: 8417888, display: 'MDC_CTXT_GLU_TESTER_SELF', text: 'The patient' },
    professional: { mdc: 8417892, display: 'MDC_CTXT_GLU_TESTER_HCP', text: 'A health care professional' },
    laboratory: { mdc: 8417896, display: 'MDC_CTXT_GLU_TESTER_LAB', text: 'A laboratory' },
  }),
  'glucose-sample-location': coded(8417844, 'MDC_CTXT_GLU_SAMPLELOCATION', 'Where the sample was taken', {
    finger: { mdc: 8417848, display: 'MDC_CTXT_GLU_SAMPLELOCATION_FINGER', text: 'Finger' },
    'alternate-site': { mdc: 8417852, display: 'MDC_CTXT_GLU_SAMPLELOCATION_AST', text: 'Alternate site' },
    earlobe: { mdc: 8417856, display: 'MDC_CTXT_GLU_SAMPLELOCATION_EARLOBE', text: 'Earlobe' },
    'control-solution': {
      mdc: 8417860,
      display: 'MDC_CTXT_GLU_SAMPLELOCATION_CTRLSOLUTION',
      text: 'Control solution',
    },
    subcutaneous: {
      mdc: 8417849,
      display: 'MDC_CTXT_GLU_SAMPLELOCATION_SUBCUTANEOUS',
      text: 'Subcutaneous tissue',
    },
  }),
}
