import type { FhirClient } from '@fhir-outbox/fhir-client'
import type { NoteStore } from '@fhir-outbox/queue-core'
import type { CanaryOptions } from './canaries.js'
import {
  differences,
  noEvidence,
  parseEvidence,
  type Evidence,
  type Learned,
  type LearnedType,
} from './evidence.js'
import { gatherEvidence, type ScopeSource } from './gather.js'

/** What is known about one server: gathered when it is first needed, kept in the notes, added to while delivering. */
export interface Dossier {
  /** What is known so far, without asking anybody. */
  current(): Evidence
  /** Gathers when nothing is known yet or what is known is old; `maxAgeMs` says what counts as old. */
  consult(signal?: AbortSignal, maxAgeMs?: number): Promise<Evidence>
  /** Gathers now. */
  refresh(signal?: AbortSignal): Promise<Evidence>
  /** Reads what is stored, without asking the server. */
  load(): Promise<Evidence>
  /** Adds what a delivery has shown. Resolves when it is stored; does nothing when it is known. */
  learn(news: Omit<Learned, 'types'>): Promise<void>
  learnType(type: string, news: LearnedType): Promise<void>
}

/** Options of `createDossier`. */
export interface DossierOptions {
  readonly client: FhirClient
  /** Where evidence is kept. Without it, it is gathered anew by every process. */
  readonly notes: NoteStore | undefined
  readonly tokens?: ScopeSource | undefined
  readonly canaries?: CanaryOptions | undefined
  /** Milliseconds since 1970. */
  readonly now: () => number
  /** Called with the names of what differs from what was known before. */
  readonly changed: (changes: readonly string[], evidence: Evidence) => void
}

const oneDayMs = 24 * 60 * 60_000
/** How soon a server is asked again for a statement that it would not give, or that no answer came for. */
const refusedMs = 10 * 60_000
const silentMs = 30_000

function keepMs({ statement, statementFailure, canaries }: Evidence): number {
  if (statement === 'read' || canaries !== undefined) return oneDayMs
  return statementFailure?.status === undefined ? silentMs : refusedMs
}

export function noteName(baseUrl: string): string {
  return `data-queue/evidence/${baseUrl.slice(0, 400)}`
}

export function createDossier(options: DossierOptions): Dossier {
  const { client, notes, now } = options
  const name = noteName(client.baseUrl)
  let known: Evidence | undefined
  let version = 0
  let loading: Promise<void> | undefined
  let gathering: Promise<Evidence> | undefined
  let storing: Promise<void> = Promise.resolve()

  async function read(): Promise<Evidence | undefined> {
    const note = await notes?.get(name)
    version = note?.version ?? 0
    return note === undefined ? undefined : parseEvidence(note.bytes)
  }

  async function load(): Promise<Evidence> {
    loading ??= read().then((stored) => {
      known ??= stored
    })
    try {
      await loading
    } catch (error) {
      loading = undefined
      throw error
    }
    return known ?? noEvidence
  }

  /** Stores what is known. Evidence is a help: a store that fails here will fail where it matters. */
  function store(): Promise<void> {
    storing = storing.then(async () => {
      if (notes === undefined || known === undefined) return
      const bytes = new TextEncoder().encode(JSON.stringify(known))
      try {
        version = await notes.put(name, bytes, version)
      } catch {
        // Another process has written meanwhile, or the store is away: the next change tries again.
        await read().catch(() => undefined)
      }
    })
    return storing
  }

  async function gather(signal: AbortSignal | undefined): Promise<Evidence> {
    // What cannot be read is not known; what the server says now will be.
    await load().catch(() => undefined)
    const { tokens, canaries } = options
    const fresh = await gatherEvidence({ client, tokens, canaries, now, signal })
    // Deliveries have gone on meanwhile, and may have learned something.
    const before = known
    known = before === undefined ? fresh : combineEvidence(before, fresh)
    const changes = before === undefined ? [] : differences(before, known)
    await store()
    if (changes.length > 0) options.changed(changes, known)
    return known
  }

  function refresh(signal?: AbortSignal): Promise<Evidence> {
    gathering ??= gather(signal).finally(() => {
      gathering = undefined
    })
    return gathering
  }

  async function add(learned: Learned): Promise<void> {
    const before = known ?? noEvidence
    const after = { ...before, learned }
    if (differences(before, after).length === 0) return
    known = after
    await store()
    options.changed(['learned'], after)
  }

  return {
    current: () => known ?? noEvidence,
    load,
    refresh,
    async consult(signal, maxAgeMs = Infinity) {
      const evidence = await load()
      const age = now() - Date.parse(evidence.at)
      // A clock that was set back makes evidence of the future, which is as old as any.
      if (age >= 0 && age < Math.min(maxAgeMs, keepMs(evidence))) return evidence
      return refresh(signal)
    },
    learn: (news) => add({ ...(known ?? noEvidence).learned, ...news }),
    learnType(type, news) {
      const { learned } = known ?? noEvidence
      return add({ ...learned, types: { ...learned.types, [type]: { ...learned.types?.[type], ...news } } })
    },
  }
}

/**
 * What is known after a server was asked again. What could be read before and cannot be read now has not gone away;
 * what deliveries have shown holds for as long as it is the same software.
 */
export function combineEvidence(before: Evidence, fresh: Evidence): Evidence {
  const { at, canaries, scopes } = fresh
  const current =
    fresh.statement === 'unreadable'
      ? {
          ...before,
          at,
          ...(canaries === undefined ? {} : { canaries }),
          ...(scopes === undefined ? {} : { scopes }),
        }
      : fresh
  const learned = current.software === before.software ? lasting(before.learned) : {}
  return { ...current, learned: { ...learned, ...fresh.learned } }
}

/** Sizes are tried anew every day; what a server does not do stays known for as long as it is the same software. */
function lasting({ notAtomic, noBundles, types }: Learned): Learned {
  return {
    ...(notAtomic === undefined ? {} : { notAtomic }),
    ...(noBundles === undefined ? {} : { noBundles }),
    ...(types === undefined ? {} : { types }),
  }
}
