import type { JSX } from 'preact'
import { useEffect, useRef, useState } from 'preact/hooks'
import type { App } from '../app-state.js'
import type { DemoDevice } from '../model/demo-device.js'
import { kinds, type Kind } from '../model/kinds.js'
import { pointsOfBundle, type Point } from '../model/points.js'
import { loadPart } from '../platform/load-part.js'
import { useStoreReading } from './use-store-reading.js'

/** How long a device seems to measure. */
const measuringMs = 1200

/** The devices of this page: other pages have others. */
const devices = new Map<Kind, DemoDevice>()

function loadDevices(): Promise<typeof import('../model/demo-device.js')> {
  return loadPart('The simulated device', () => import('../model/demo-device.js'))
}

async function deviceOf(kind: Kind): Promise<DemoDevice> {
  const { demoDevice } = await loadDevices()
  const known = devices.get(kind)
  if (known !== undefined) return known
  const [seed = 0] = crypto.getRandomValues(new Uint32Array(1))
  const device = demoDevice(kind.id, seed)
  devices.set(kind, device)
  return device
}

export function DeviceCard({ app }: { readonly app: App }): JSX.Element {
  const { sequence, problem, store } = useStoreReading(app)
  const [kind, setKind] = useState<Kind>(kinds[0] as Kind)
  const [measuring, setMeasuring] = useState(false)
  const [reading, setReading] = useState<{ readonly bundle: string; readonly point: Point | undefined }>()
  const timer = useRef<ReturnType<typeof setTimeout> | undefined>(undefined)

  useEffect(() => () => clearTimeout(timer.current), [])

  async function finish(): Promise<void> {
    await store(async (patient) => {
      const device = await deviceOf(kind)
      const bundle = device.measure(patient)
      setReading({ bundle, point: pointsOfBundle(bundle)[0] })
      return bundle
    })
    setMeasuring(false)
  }

  function measure(): void {
    if (measuring) return
    setReading(undefined)
    setMeasuring(true)
    if (matchMedia('(prefers-reduced-motion: reduce)').matches) {
      void finish()
      return
    }
    // The device's code comes with the first measurement, while that seems to run.
    void loadDevices().catch(() => undefined)
    timer.current = setTimeout(() => void finish(), measuringMs)
  }

  function choose(id: string): void {
    setReading(undefined)
    setKind(kinds.find((one) => one.id === id) ?? kind)
  }

  const point = reading?.point
  return (
    <section class="card device" aria-labelledby="device-title">
      <h2 id="device-title">Device</h2>
      <div class="field">
        <label for="device-kind">A simulated device with Bluetooth</label>
        <select
          id="device-kind"
          value={kind.id}
          disabled={measuring}
          onChange={({ currentTarget }) => choose(currentTarget.value)}
        >
          {kinds.map(({ id, device }) => (
            <option key={id} value={id}>
              {device}
            </option>
          ))}
        </select>
      </div>
      <p class="hint">{kind.hint}</p>
      <div class={measuring ? 'readout readout-busy' : 'readout'}>
        <dl class="values">
          {kind.columns.map(({ label, unit }, index) => (
            <div key={label}>
              <dt>{label}</dt>
              <dd>
                {point?.values[index] ?? '–'} <small>{unit}</small>
              </dd>
            </div>
          ))}
        </dl>
      </div>
      {/* Not `disabled`, which would take the focus from whoever pressed it. */}
      <button type="button" class="primary" onClick={measure} aria-disabled={measuring}>
        {measuring ? 'Measuring…' : 'Measure'}
      </button>
      <p class="answer" role="status">
        {point !== undefined && problem === undefined && sequence !== undefined
          ? `Measured ${spoken(point)}. Stored as no. ${sequence}.`
          : ''}
      </p>
      {problem !== undefined ? (
        <div class="problem" role="alert">
          <p>{problem}</p>
          {reading === undefined ? null : (
            <button type="button" onClick={() => void store(() => reading.bundle)}>
              Store it again
            </button>
          )}
        </div>
      ) : null}
    </section>
  )
}

function spoken({ kind, values }: Point): string {
  return kind.columns
    .flatMap(({ label }, index) =>
      values[index] === undefined ? [] : [`${label.toLowerCase()} ${values[index]}`],
    )
    .join(', ')
}
