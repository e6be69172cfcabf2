import { describe, expect, it, vi } from 'vitest'
import { demoPatient } from '../src/model/demo-people.js'
import { typedBundle } from '../src/model/reading.js'
import { createStore } from '../src/platform/store.js'
import { serverReadings } from '../src/queue/readings.js'

type Session = Parameters<typeof serverReadings>[0]

const observations = (
  JSON.parse(typedBundle({ systolic: '121', diastolic: '81' }, { identifier: demoPatient })) as {
    entry: { resource: unknown }[]
  }
).entry.map(({ resource }) => resource)

/** A server that has one reading of everybody, and whoever is signed in there. */
function rig(patient: string | undefined): {
  readonly session: Session
  /** Somebody else signs in, or the one who is there signs out. */
  change(patient: string | undefined): void
  /** What the next search for readings waits for. */
  hold(): () => void
  fail(): void
} {
  const login = createStore(patient === undefined ? undefined : { patient })
  let held = Promise.resolve()
  let failing = false
  const search = async (type: string): Promise<unknown> => {
    if (type === 'Patient') return { matches: [] }
    await held
    if (failing) throw new Error('401')
    return { matches: observations }
  }
  return {
    session: { fhir: { search }, signIn: { login } } as unknown as Session,
    change: (next) => login.set(next === undefined ? undefined : { patient: next }),
    hold() {
      let release = (): void => undefined
      held = new Promise((resolve) => {
        release = resolve
      })
      return release
    },
    fail() {
      failing = true
    },
  }
}

describe('readings of the server', () => {
  it('are not shown any more when the person has signed out, whatever the server answers then', async () => {
    const { session, change, fail } = rig('ada')
    const { store, load } = serverReadings(session)
    load()
    await vi.waitFor(() => expect(store.get()).toMatchObject({ state: 'loaded' }))
    expect(store.get().points).toHaveLength(1)
    fail()
    change(undefined)
    expect(store.get().points).toEqual([])
    await vi.waitFor(() => expect(store.get().state).toBe('loaded'))
    expect(store.get().points).toEqual([])
  })

  it('are not shown when they were asked for by somebody who has signed out meanwhile', async () => {
    const { session, change, hold } = rig('ada')
    const { store, load } = serverReadings(session)
    const release = hold()
    load()
    change(undefined)
    release()
    await vi.waitFor(() => expect(store.get().state).toBe('loaded'))
    expect(store.get().points).toEqual([])
  })

  it('stay when the same person is given new tokens', async () => {
    const { session, change, fail } = rig('ada')
    const { store, load } = serverReadings(session)
    load()
    await vi.waitFor(() => expect(store.get().state).toBe('loaded'))
    fail()
    change('ada')
    load()
    await vi.waitFor(() => expect(store.get().state).toBe('failed'))
    expect(store.get().points).toHaveLength(1)
  })
})
