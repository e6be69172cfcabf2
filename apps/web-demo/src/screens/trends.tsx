import type { JSX } from 'preact'
import { useEffect, useMemo, useState } from 'preact/hooks'
import type { App } from '../app-state.js'
import { bloodPressure, kinds, type Kind } from '../model/kinds.js'
import { isOpen, type DisplayState } from '../model/states.js'
import { dayAndTime, readings } from '../model/words.js'
import { useStore } from '../platform/store.js'
import { mergePoints, type TrendPoint } from '../queue/readings.js'
import { PlotLater as Plot } from '../ui/plot-later.js'
import { StateMark } from '../ui/state-mark.js'

const tableRows = 50
const legend: readonly DisplayState[] = ['delivered', 'waiting', 'unknown', 'dead']

export function Trends({ app }: { readonly app: App }): JSX.Element {
  const view = useStore(app.view)
  const contents = useStore(app.contents)
  const server = useStore(app.server.store)
  const gate = useStore(app.gate)
  const delivered = view?.stats.delivered
  useEffect(() => app.server.load(), [delivered, gate.closed])

  const all = useMemo(() => mergePoints(server.points, view, contents), [server, view, contents])
  const there = kinds.filter((kind) => all.some((point) => point.kind === kind))
  const [chosen, setChosen] = useState<Kind>()
  // Until somebody chooses: what was measured last.
  const kind = chosen ?? all.at(-1)?.kind ?? bloodPressure
  const points = useMemo(() => all.filter((point) => point.kind === kind), [all, kind])
  const plots = useMemo(() => plotData(kind, points), [kind, points])
  const here = points.filter(({ state }) => state !== 'delivered').length
  const sealed = (view?.entries ?? []).filter(
    ({ sequence, state }) => isOpen(state) && contents.get(sequence)?.sealed !== undefined,
  ).length

  return (
    <>
      <h1 tabIndex={-1}>Trends</h1>
      <p class="lead">
        Delivered readings come from the server, the others from this device.
        {sealed === 0 ? null : ` ${sealedWords(sealed)}`}
        {server.state === 'failed' ? (
          <strong>
            {' '}
            The server does not answer, so{' '}
            {points.length > here ? 'what it had last' : 'nothing of what it has'} is shown.
          </strong>
        ) : null}
      </p>
      {points.length === 0 ? (
        <p class="empty">
          {server.state === 'loading' ? 'Loading…' : null}
          {server.state === 'failed' || (server.state === 'loaded' && sealed > 0)
            ? 'Nothing to show yet.'
            : null}
          {server.state === 'loaded' && sealed === 0 ? (
            <>
              No readings yet. <a href="#/measure">Take one</a>
            </>
          ) : null}
        </p>
      ) : (
        <>
          {there.length < 2 ? null : (
            <div class="choices" role="group" aria-label="Kind of reading">
              {there.map((one) => (
                <button
                  type="button"
                  key={one.id}
                  class={one === kind ? 'chosen-kind' : ''}
                  aria-pressed={one === kind}
                  onClick={() => setChosen(one)}
                >
                  {one.name}
                </button>
              ))}
            </div>
          )}
          <ul class="legend" aria-label="Marks in the plots">
            {legend.map((state) => (
              <li key={state}>
                <PlotKey state={state} /> {legendNames[state]}
              </li>
            ))}
          </ul>
          {plots.map(({ title, lines, range, unit, height, times, states }) => (
            <Plot
              key={title}
              label={`${title}, ${readings(points.length)}. The table below has the values.`}
              times={times}
              states={states}
              lines={lines}
              range={range}
              unit={unit}
              height={height}
            />
          ))}
          <ReadingsTable kind={kind} points={points} />
        </>
      )}
    </>
  )
}

function sealedWords(count: number): string {
  return count === 1
    ? '1 reading waits in its envelope; it shows when the server has opened it.'
    : `${count} readings wait in their envelopes; they show when the server has opened them.`
}

const legendNames: Partial<Record<DisplayState, string>> = {
  delivered: 'delivered',
  waiting: 'on the way',
  unknown: 'sent, no answer yet',
  dead: 'refused',
}

function PlotKey({ state }: { readonly state: DisplayState }): JSX.Element {
  return (
    <svg viewBox="0 0 16 16" width="14" height="14" aria-hidden="true" class={`plot-key plot-key-${state}`}>
      {state === 'dead' ? <path d="M3 3l10 10M13 3L3 13" /> : <circle cx="8" cy="8" r="5.5" />}
      {state === 'unknown' ? <path class="half" d="M8 2.5a5.5 5.5 0 0 0 0 11Z" /> : null}
    </svg>
  )
}

function plotData(kind: Kind, points: readonly TrendPoint[]) {
  const times = points.map(({ time }) => time)
  const states = points.map(({ state }) => state)
  return kind.plots.map(({ columns, range, height }) => {
    const lines = columns.flatMap((column) => {
      const label = kind.columns[column]?.label
      return label === undefined ? [] : [{ label, values: points.map(({ values }) => values[column]) }]
    })
    const title = lines.map(({ label }) => label).join(' and ')
    const unit = kind.columns[columns[0] ?? 0]?.unit ?? ''
    return { title, lines, range, height, unit, times, states }
  })
}

function ReadingsTable({
  kind,
  points,
}: {
  readonly kind: Kind
  readonly points: readonly TrendPoint[]
}): JSX.Element {
  const latest = points.slice(-tableRows).reverse()
  return (
    <section aria-labelledby="table-title">
      <h2 id="table-title">Values</h2>
      <div class="table-holder" tabIndex={0} role="region" aria-label="Table of values">
        <table>
          <thead>
            <tr>
              <th scope="col">Time</th>
              {kind.columns.map(({ label }) => (
                <th scope="col" class="number" key={label}>
                  {label}
                </th>
              ))}
              <th scope="col">State</th>
            </tr>
          </thead>
          <tbody>
            {latest.map(({ time, values, state, ids }) => (
              <tr key={ids[0] ?? time}>
                <td>{dayAndTime(time)}</td>
                {kind.columns.map(({ label }, index) => (
                  <td class="number" key={label}>
                    {values[index] ?? '–'}
                  </td>
                ))}
                <td>
                  <StateMark state={state} />
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </section>
  )
}
