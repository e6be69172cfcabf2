import type { JSX } from 'preact'
import { useEffect, useRef } from 'preact/hooks'
import UPlot from 'uplot'
import 'uplot/dist/uPlot.min.css'
import type { DisplayState } from '../model/states.js'
import { drawMark } from './plot-marks.js'

export interface PlotLine {
  readonly label: string
  readonly values: readonly (number | undefined)[]
}

export interface PlotProps {
  /** What the picture shows, for those who do not see it. */
  readonly label: string
  readonly times: readonly number[]
  readonly states: readonly DisplayState[]
  readonly lines: readonly PlotLine[]
  /** Always part of the vertical axis. */
  readonly range: readonly [low: number, high: number]
  readonly unit: string
  readonly height: number
}

function colours(element: Element): { readonly ink: string; readonly grid: string; readonly accent: string } {
  const style = getComputedStyle(element)
  const of = (name: string): string => style.getPropertyValue(name).trim()
  return { ink: of('--quiet'), grid: of('--line'), accent: of('--accent') }
}

function optionsOf(element: HTMLElement, props: PlotProps): UPlot.Options {
  const { ink, grid, accent } = colours(element)
  const [low, high] = props.range
  const font = '12px system-ui, sans-serif'
  return {
    width: element.clientWidth,
    height: props.height,
    legend: { show: false },
    cursor: { show: false },
    padding: [10, 24, 0, 0],
    scales: {
      // A margin keeps the outermost marks whole.
      x: { range: (_plot, from, to) => withMargin(from, to) },
      y: { range: (_plot, from, to) => [Math.min(low, from - 5), Math.max(high, to + 5)] },
    },
    axes: [
      {
        stroke: ink,
        font,
        grid: { show: false },
        ticks: { stroke: grid },
        space: 90,
        size: 36,
        values: timeLabels,
      },
      { stroke: ink, font, grid: { stroke: grid, width: 1 }, ticks: { show: false }, size: 44 },
    ],
    series: [
      {},
      ...props.lines.map(({ label }, index) => ({
        label,
        stroke: accent,
        width: 1.5,
        ...(index === 0 ? {} : { dash: [5, 4] }),
        spanGaps: true,
        points: { show: false },
      })),
    ],
    hooks: {
      draw: [
        (plot) => {
          for (const line of props.lines) {
            for (const [index, value] of line.values.entries()) {
              const [time, state] = [props.times[index], props.states[index]]
              if (value === undefined || time === undefined || state === undefined) continue
              const x = plot.valToPos(time / 1000, 'x', true)
              drawMark(plot.ctx, x, plot.valToPos(value, 'y', true), state, element)
            }
          }
        },
      ],
    },
  }
}

function withMargin(from: number, to: number): [number, number] {
  const margin = Math.max((to - from) * 0.03, 1)
  return [from - margin, to + margin]
}

/** Hours and minutes, and the day where it changes. */
function timeLabels(_plot: UPlot, splits: number[]): string[] {
  let lastDay = ''
  const span = (splits.at(-1) ?? 0) - (splits[0] ?? 0)
  return splits.map((seconds) => {
    const date = new Date(seconds * 1000)
    const day = date.toLocaleDateString(undefined, { day: 'numeric', month: 'short' })
    const time = date.toLocaleTimeString(undefined, {
      hour: '2-digit',
      minute: '2-digit',
      ...(span < 300 ? { second: '2-digit' } : {}),
    })
    const text = day === lastDay || span < 86_400 ? time : `${time}\n${day}`
    lastDay = day
    return text
  })
}

/** A plot of lines over time whose points show how far each reading has got. */
export function Plot(props: PlotProps): JSX.Element {
  const holder = useRef<HTMLDivElement>(null)

  useEffect(() => {
    const element = holder.current
    if (element === null) return undefined
    let plot: UPlot | undefined
    const draw = (): void => {
      plot?.destroy()
      const data = [
        props.times.map((time) => time / 1000),
        ...props.lines.map(({ values }) => values.map((value) => value ?? null)),
      ] as UPlot.AlignedData
      plot = new UPlot(optionsOf(element, props), data, element)
    }
    draw()
    const resized = new ResizeObserver(() => {
      if (plot !== undefined && plot.width !== element.clientWidth) draw()
    })
    resized.observe(element)
    const scheme = matchMedia('(prefers-color-scheme: dark)')
    scheme.addEventListener('change', draw)
    return () => {
      resized.disconnect()
      scheme.removeEventListener('change', draw)
      plot?.destroy()
    }
  }, [props.times, props.states, props.lines])

  return (
    <figure class="plot">
      <figcaption>
        {props.lines.map(({ label }, index) => (
          <span key={label} class={index === 0 ? 'key' : 'key key-dashed'}>
            {label}
          </span>
        ))}
        <span class="quiet">{props.unit}</span>
      </figcaption>
      <div ref={holder} role="img" aria-label={props.label} />
    </figure>
  )
}
