import type { JSX } from 'preact'
import { bloodPressure } from '../model/kinds.js'
import type { Content } from '../queue/readings.js'

/** The values of an entry as far as they are known here; its number otherwise. */
export function EntryLabel({
  sequence,
  content,
}: {
  readonly sequence: number
  readonly content: Content | undefined
}): JSX.Element {
  const point = content?.points[0]
  if (point === undefined) {
    return (
      <>
        Reading no. {sequence}
        {content?.sealed === undefined ? null : <span class="quiet"> in an envelope</span>}
      </>
    )
  }
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
          , {label.toLowerCase()} {value}
        </span>
      ))}
    </>
  )
}
