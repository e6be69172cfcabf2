import { parseNote, type Entry, type Failure, type FailureNote } from '@fhir-outbox/queue-core'
import type { Home } from '../config/load.js'
import { exitCodes, type ExitCode } from '../exit-codes.js'
import { adviceFor } from '../output/advice.js'
import { report, type Console } from '../output/console.js'
import { sentence, wordsOfServer } from '../output/failure.js'
import { age, describeWrite, entryFacts, historyLines, planOf } from '../output/entry.js'
import { readEntry, withPicture } from '../queue/look.js'

/** Why an entry is where it is, what was tried, what comes next, and what a person can do. */
export async function explain(
  home: Home,
  { sequence }: { readonly sequence: number },
  console: Console,
): Promise<ExitCode> {
  return withPicture(home, async (outbox) => {
    const entry = await readEntry(outbox, sequence)
    const before = await earlierInLane(outbox.list({ lane: entry.lane, state: 'waiting' }), entry)
    const { why, next, person } = reasons(entry, before)
    const tried = historyLines(entry)
    const delivery = deliveryOf(entry)
    const said = wordsOfServer(failureOf(entry) ?? {})
    const { method, path } = describeWrite(entry.header)
    report(
      console,
      'explanation',
      { ...entryFacts(entry), why, next, delivery, ...(person === undefined ? {} : { person }) },
      [
        `Entry ${sequence}, ${method} ${path}`,
        `Why:    ${why}`,
        ...(said.length === 0 ? [] : [`Said:   ${said.join('\n        ')}`]),
        ...(delivery.length === 0 ? [] : [`How:    ${delivery.join('\n        ')}`]),
        ...(tried.length > 0
          ? [`Tried:  ${tried.join('\n        ')}`]
          : entry.state === 'waiting'
            ? ['Tried:  nothing yet']
            : []),
        `Next:   ${next}`,
        `You:    ${person ?? 'nothing to do'}`,
      ].join('\n'),
    )
    return exitCodes.ok
  })
}

/** How it travels and what that has left: plan, what it refers to, what was found out. A sentence each. */
function deliveryOf(entry: Entry): readonly string[] {
  const header = parsed(entry.header)
  const request = parsed(entry.mark?.info)
  const note = parseNote(entry.note)
  const receipt = note?.kind === 'receipt' ? note.receipt : undefined
  const plan = receipt?.['plan'] ?? request['plan'] ?? planOf(entry.header)
  const refs = Array.isArray(header['refs']) ? header['refs'] : []
  const targets = [...new Set(refs.map((ref: unknown) => (Array.isArray(ref) ? Number(ref[1]) : Number.NaN)))]
  const { n, kind } = request
  return [
    ...(typeof plan === 'string'
      ? [`${entry.state === 'waiting' ? 'It is to travel' : 'It travelled'} under the plan ${plan}.`]
      : []),
    ...(typeof n === 'number' ? [`Its last request was a ${String(kind)} of ${n} entries.`] : []),
    ...(typeof header['of'] === 'number' ? [`It changes what entry ${header['of']} writes.`] : []),
    ...(targets.length > 0 ? [`It refers to ${targets.map((target) => `entry ${target}`).join(', ')}.`] : []),
    ...(receipt?.id === undefined
      ? []
      : [
          `The server has it as ${receipt.id}${receipt.version === undefined ? '' : `, version ${receipt.version}`}.`,
        ]),
    ...(receipt?.['alreadyThere'] === true ? ['An earlier request had arrived; its answer was lost.'] : []),
    ...(receipt?.['differs'] === true ? ['What the server has under its key is not what was sent.'] : []),
    ...(receipt?.assumed === undefined
      ? []
      : [`${receipt.assumed.actor} said that it was delivered: ${receipt.assumed.reason}`]),
  ]
}

function parsed(bytes: Uint8Array | undefined): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(new TextDecoder().decode(bytes))
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {}
  } catch {
    return {}
  }
}

async function earlierInLane(
  waiting: AsyncIterable<{ readonly sequence: number }>,
  { sequence }: Entry,
): Promise<number | undefined> {
  for await (const other of waiting) return other.sequence < sequence ? other.sequence : undefined
  return undefined
}

interface Reasons {
  readonly why: string
  readonly next: string
  /** What a person can do; absent when nothing is needed. */
  readonly person?: string
}

/** What its last try came to. */
function failureOf(entry: Entry): Failure | undefined {
  return failureNote(entry)?.failure
}

function failureNote({ note: bytes }: Entry): FailureNote | undefined {
  const note = parseNote(bytes)
  return note?.kind === 'failure' ? note.failure : undefined
}

function reasons(entry: Entry, before: number | undefined): Reasons {
  const failure = failureOf(entry)
  const message = failure === undefined ? '' : sentence(failure.message)
  const advice = failure === undefined ? undefined : adviceFor(failure)
  const { sequence } = entry
  switch (entry.state) {
    case 'delivered': {
      const note = parseNote(entry.note)
      const receipt = note?.kind === 'receipt' ? note.receipt : undefined
      return { why: `It was delivered${receipt === undefined ? '' : ` at ${receipt.at}`}.`, next: 'Nothing.' }
    }
    case 'discarded':
      return { why: 'Somebody gave it up; see below.', next: 'Nothing.' }
    case 'quarantined':
      return {
        why: 'Its record on disk is damaged and could not be read back. The bytes are kept.',
        next: 'It is not sent. Entries that must come after it are held.',
        person: 'Look for a failing disk; send the original again if you have it.',
      }
    case 'dead':
      return {
        why: `${entry.deadReason === 'parked' ? 'Nobody could find out whether it was applied.' : 'The server refused it.'} ${message}`.trim(),
        next: 'It is kept until somebody decides; the rest of its lane goes on.',
        person: `${advice === undefined ? '' : `${advice}\n        `}fhir-outbox dead-letters redrive ${sequence} --reason "…", or discard ${sequence} --reason "…"${
          entry.deadReason === 'parked'
            ? `;\n        when it is at the server: assume-delivered ${sequence} --reason "…"`
            : ''
        }`,
      }
    case 'unknown': {
      const lost = failureNote(entry)?.outcome === 'unknown'
      const earlier = failure === undefined ? '' : ` An earlier one failed: ${message}`
      return {
        // Beside the process that delivers, it may be on its way this very moment.
        why: lost
          ? `A request with it may have been applied; the answer was lost. ${message}`
          : `A request with it was begun, and its answer is not known yet.${earlier}`,
        next: `The server is asked about it, or it is sent again where that is harmless${dueWords(entry)}; its lane waits for it.`,
        ...(lost && advice !== undefined ? { person: advice } : {}),
      }
    }
    case 'waiting':
      break
  }
  if (entry.heldBy !== undefined) {
    return {
      why: `It must come after entry ${entry.heldBy}, which was not delivered.`,
      next: 'It is held until that is decided.',
      person: `fhir-outbox explain ${entry.heldBy}`,
    }
  }
  if (before !== undefined) {
    return {
      why: `Entry ${before} of the same lane comes first.`,
      next: 'It goes as soon as that is settled.',
      person: `fhir-outbox explain ${before}`,
    }
  }
  if (failure === undefined) {
    return {
      why: 'Nothing stands in its way.',
      next: 'It goes as soon as something delivers: run, flush or send.',
    }
  }
  const person = advice === undefined ? {} : { person: advice }
  if (failure.code === 'ERR_UNSUPPORTED') {
    return {
      why: `It is not sent: ${message}`,
      next: 'The server is asked again every ten minutes while something delivers; until then its lane waits.',
      ...person,
    }
  }
  return {
    why: `The last try did not reach the server or was not taken. ${message}`,
    next: `It is tried again${dueWords(entry)}.`,
    ...person,
  }
}

function dueWords({ dueInMs }: Entry): string {
  return dueInMs === undefined ? ' as soon as something delivers (run, flush or send)' : ` in ${age(dueInMs)}`
}
