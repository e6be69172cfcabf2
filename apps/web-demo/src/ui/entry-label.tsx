import type { JSX } from 'preact'
import { bloodPressure } from '../model/kinds.js'
import type { Point } from '../model/points.js'

/** The values of an entry as far as they are known here; its number otherwise. */
export function EntryLabel({
  sequence,
  points,
}: {
  readonly sequence: number
  readonly points: readonly Point[] | undefined
}): JSX.Element {
  const point = points?.[0]
  if (point === undefined) return <>Reading no. {sequence}</>
  const { kind, values } = point
  // Blood pressure is written as one figure.
  const joined = kind === bloodPressure ? 2 : 1
  const rest = kind.columns.flatMap(({ label, unit }, index) =>
    index < joined || values[index] === undefined ? [] : [{ label, unit, value: values[index] }],
  )
  return (
    <>
      <b class="figures">{values.slice(0, joined).join('/')}</b>
      {joined === 1 ? <span class="quiet"> {kind.columns[0].unit}</span> : null}
      {rest.map(({ label, value }) => (
        <span key={label} class="quiet">
          {' '}
          {label.toLowerCase()} {value}
        </span>
      ))}
    </>
  )
}
