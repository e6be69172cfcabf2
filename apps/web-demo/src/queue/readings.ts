import { demoPatient } from '../model/demo-people.js'
import { shownCodes } from '../model/kinds.js'
import { sealedFor, type SealedFor } from '../model/envelope.js'
import { pointsOf, pointsOfBundle, type Point } from '../model/points.js'
import { isOpen, type DisplayState } from '../model/states.js'
import { createStore, type Store } from '../platform/store.js'
import type { Session } from './session.js'
import type { QueueView } from './view.js'

/** What can be seen of an entry here. */
export interface Content {
  readonly points: readonly Point[]
  /** It is in an envelope, and only the receiver can open it. */
  readonly sealed?: SealedFor
}

/** What the queue still holds of each entry, by sequence. The content of delivered entries is gone. */
export type Contents = ReadonlyMap<number, Content>

export interface ContentsStore extends Store<Contents> {
  /** What this page has just put in as it is, and need not read. */
  learn(sequence: number, points: readonly Point[]): void
}

/** What a payload of the queue shows. */
export function contentOf(payload: Uint8Array): Content {
  const text = new TextDecoder().decode(payload)
  const sealed = sealedFor(text)
  return sealed === undefined ? { points: pointsOfBundle(text) } : { points: [], sealed }
}

/** Reads the content of open entries, each once; what was seen stays for as long as the page is open. */
export function watchContents(session: Session, view: Store<QueueView | undefined>): ContentsStore {
  const contents = createStore<Contents>(new Map())
  let reading = Promise.resolve()

  async function read(): Promise<void> {
    const missing = (view.get()?.entries ?? []).filter(
      ({ sequence, state }) => isOpen(state) && !contents.get().has(sequence),
    )
    if (missing.length === 0) return
    const found: [number, Content][] = []
    for (const { sequence } of missing) {
      const entry = await session.queue.outbox.read(sequence)
      if (entry?.payload !== undefined) found.push([sequence, contentOf(entry.payload)])
    }
    contents.set(new Map([...contents.get(), ...found]))
  }

  view.subscribe(() => {
    reading = reading.then(read).catch(() => undefined)
  })
  return {
    ...contents,
    learn: (sequence, points) => contents.set(new Map([...contents.get(), [sequence, { points }]])),
  }
}

export interface ServerReadings {
  readonly state: 'loading' | 'loaded' | 'failed'
  readonly points: readonly Point[]
}

/**
 * The latest readings that the server has of the patient. What was loaded stays when loading fails later, but for another
 * patient, or for nobody, it does not.
 */
export function serverReadings({ fhir, signIn }: Session): {
  readonly store: Store<ServerReadings>
  load(): void
} {
  const store = createStore<ServerReadings>({ state: 'loading', points: [] })
  const signedIn = (): string | undefined => signIn?.login.get()?.patient
  let loading = false
  let again = false
  let wanted = false
  let patient = signedIn()

  signIn?.login.subscribe(() => {
    if (signedIn() === patient) return
    patient = signedIn()
    store.set({ state: 'loading', points: [] })
    if (wanted) void load()
  })

  async function demoPatientId(): Promise<string | undefined> {
    const identifier = `${demoPatient.system}|${demoPatient.value}`
    const [patient] = (await fhir.search('Patient', { identifier })).matches
    return patient?.id
  }

  async function fetchPoints(): Promise<readonly Point[]> {
    const subject = patient ?? (await demoPatientId())
    if (subject === undefined) return []
    const page = await fhir.search('Observation', {
      patient: subject,
      code: shownCodes.join(','),
      _sort: '-_lastUpdated',
      _count: '400',
    })
    return pointsOf(page.matches)
  }

  async function load(): Promise<void> {
    wanted = true
    if (loading) {
      again = true
      return
    }
    loading = true
    do {
      again = false
      const asked = patient
      const state = await fetchPoints().then(
        (points): ServerReadings => ({ state: 'loaded', points }),
        (): ServerReadings => ({ state: 'failed', points: store.get().points }),
      )
      // Somebody else is here now: the answer is not theirs.
      if (asked === patient) store.set(state)
    } while (again)
    loading = false
  }

  return { store, load: () => void load() }
}

export interface TrendPoint extends Point {
  readonly state: DisplayState
  /** Its entry, while the queue holds its content. */
  readonly sequence?: number
}

/** Readings of the server and of the queue in one row, oldest first; the queue knows best about its own. */
export function mergePoints(
  server: readonly Point[],
  view: QueueView | undefined,
  contents: Contents,
): readonly TrendPoint[] {
  const here: TrendPoint[] = (view?.entries ?? []).flatMap(({ sequence, state }) =>
    state === 'discarded'
      ? []
      : (contents.get(sequence)?.points ?? []).map((point) => ({ ...point, state, sequence })),
  )
  const known = new Set(here.flatMap(({ ids }) => ids))
  const there: TrendPoint[] = server
    .filter(({ ids }) => !ids.some((id) => known.has(id)))
    .map((point) => ({ ...point, state: 'delivered' }))
  return [...there, ...here].sort((a, b) => a.time - b.time)
}
