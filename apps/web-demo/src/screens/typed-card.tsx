import type { JSX } from 'preact'
import { useRef, useState } from 'preact/hooks'
import type { App } from '../app-state.js'
import { typedBundle } from '../model/reading.js'
import { checkTyped, type TypedErrors, type TypedValues } from '../model/typed.js'
import { useStoreReading } from './use-store-reading.js'

const fields = [
  { name: 'systolic', label: 'Systolic', unit: 'mmHg' },
  { name: 'diastolic', label: 'Diastolic', unit: 'mmHg' },
  { name: 'pulse', label: 'Pulse (optional)', unit: 'per minute' },
] as const

const empty: TypedValues = { systolic: '', diastolic: '', pulse: '' }

export function TypedCard({ app }: { readonly app: App }): JSX.Element {
  const { sequence, problem, store } = useStoreReading(app)
  const [values, setValues] = useState(empty)
  const [errors, setErrors] = useState<TypedErrors>({})
  const form = useRef<HTMLFormElement>(null)

  async function submit(event: SubmitEvent): Promise<void> {
    event.preventDefault()
    const checked = checkTyped(values)
    setErrors(checked.errors)
    if (checked.reading === undefined) {
      const first = fields.find(({ name }) => checked.errors[name] !== undefined)
      form.current?.querySelector<HTMLInputElement>(`#typed-${first?.name ?? 'systolic'}`)?.focus()
      return
    }
    // What could not be stored stays in the form.
    const { reading } = checked
    if (!(await store((patient) => typedBundle(reading, patient)))) return
    setValues(empty)
    form.current?.querySelector('input')?.focus()
  }

  return (
    <section class="card" aria-labelledby="typed-title">
      <h2 id="typed-title">Type in</h2>
      <p class="hint">From a monitor that cannot talk.</p>
      <form ref={form} noValidate onSubmit={(event) => void submit(event)}>
        {fields.map(({ name, label, unit }) => (
          <div class="field" key={name}>
            <label for={`typed-${name}`}>{label}</label>
            <span class="with-unit">
              <input
                id={`typed-${name}`}
                name={name}
                inputMode="decimal"
                autocomplete="off"
                value={values[name]}
                aria-invalid={errors[name] !== undefined}
                aria-describedby={errors[name] === undefined ? `unit-${name}` : `unit-${name} error-${name}`}
                onInput={({ currentTarget }) => setValues({ ...values, [name]: currentTarget.value })}
              />
              <span id={`unit-${name}`} class="unit">
                {unit}
              </span>
            </span>
            {errors[name] === undefined ? null : (
              <p class="field-error" id={`error-${name}`}>
                {errors[name]}
              </p>
            )}
          </div>
        ))}
        <button type="submit">Store reading</button>
      </form>
      <p class="answer" role="status">
        {problem === undefined && sequence !== undefined ? `Stored as no. ${sequence}.` : ''}
      </p>
      {problem === undefined ? null : (
        <div class="problem" role="alert">
          <p>{problem}</p>
        </div>
      )}
    </section>
  )
}
