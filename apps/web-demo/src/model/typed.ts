import type { TypedReading } from './reading.js'

export interface TypedValues {
  readonly systolic: string
  readonly diastolic: string
  readonly pulse: string
}

export type TypedErrors = { readonly [field in keyof TypedValues]?: string }

function errorOf(text: string, low: number, high: number): string | undefined {
  const trimmed = text.trim()
  if (trimmed === '') return 'Please fill this in.'
  if (!/^\d+(\.\d+)?$/.test(trimmed)) return 'Please write a number such as 120.'
  const value = Number(trimmed)
  return value < low || value > high ? `Please check: ${low} to ${high} is expected.` : undefined
}

/** The reading, or what is wrong with each field. Numbers keep the spelling they were typed in. */
export function checkTyped({ systolic, diastolic, pulse }: TypedValues): {
  readonly errors: TypedErrors
  readonly reading?: TypedReading
} {
  const systolicError = errorOf(systolic, 50, 300)
  const diastolicError =
    errorOf(diastolic, 20, 200) ??
    (systolicError === undefined && Number(diastolic) >= Number(systolic)
      ? 'This must be lower than systolic.'
      : undefined)
  const pulseError = pulse.trim() === '' ? undefined : errorOf(pulse, 20, 250)
  const errors: TypedErrors = {
    ...(systolicError === undefined ? {} : { systolic: systolicError }),
    ...(diastolicError === undefined ? {} : { diastolic: diastolicError }),
    ...(pulseError === undefined ? {} : { pulse: pulseError }),
  }
  if (Object.keys(errors).length > 0) return { errors }
  const plain = (text: string): string => text.trim().replace(/^0+(?=\d)/, '')
  return {
    errors,
    reading: {
      systolic: plain(systolic),
      diastolic: plain(diastolic),
      ...(pulse.trim() === '' ? {} : { pulse: plain(pulse) }),
    },
  }
}
