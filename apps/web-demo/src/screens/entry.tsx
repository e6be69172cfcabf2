import { parseNote, type Entry as StoredEntry, type Receipt } from '@fhir-outbox/queue-core'
import type { JSX } from 'preact'
import { useEffect, useState } from 'preact/hooks'
import type { App } from '../app-state.js'
import { suiteNames, type SealedFor } from '../model/envelope.js'
import { eventText, explain, historyOf } from '../model/explain.js'
import { decisionsFor, isOpen } from '../model/states.js'
import { bytesInWords, dateAndTime, timeOfDay } from '../model/words.js'
import { useStore } from '../platform/store.js'
import { contentOf } from '../queue/readings.js'
import { entryView, heads } from '../queue/view.js'
import { EntryLabel } from '../ui/entry-label.js'
import { StateMark } from '../ui/state-mark.js'
import { Decide } from './decide.js'

type Loaded = { readonly entry: StoredEntry | undefined } | undefined

/** One entry: where it is and why, what was tried, its content and its receipt. */
export function Entry({ app, sequence }: { readonly app: App; readonly sequence: number }): JSX.Element {
  const view = useStore(app.view)
  const gate = useStore(app.gate)
  const contents = useStore(app.contents)
  const [loaded, setLoaded] = useState<Loaded>()

  useEffect(() => {
    let current = true
    app.session.queue.outbox.read(sequence).then(
      (entry) => current && setLoaded({ entry }),
      () => current && setLoaded({ entry: undefined }),
    )
    return () => {
      current = false
    }
  }, [view, sequence])

  const back = (
    <p>
      <a href="#/outbox">← Outbox</a>
    </p>
  )
  const entry = loaded?.entry
  // The heading is there at once, and stays: whoever followed a link has the focus on it.
  if (entry === undefined) {
    return (
      <>
        {back}
        <div class="title-line">
          <h1 tabIndex={-1}>No. {sequence}</h1>
        </div>
        {loaded === undefined ? null : (
          <p class="empty">There is no such entry here, or its receipt has been deleted after its time.</p>
        )}
      </>
    )
  }
  const shown = entryView(entry, Date.now())
  const head = heads(view?.entries ?? []).find(({ lane }) => lane === entry.lane)
  const before = head !== undefined && head.sequence < sequence ? head.sequence : undefined
  const { why, next, person } = explain(shown, { before, gateClosed: gate.closed, gateCode: gate.code })
  const history = historyOf(entry.note)
  const note = parseNote(entry.note)

  return (
    <>
      {back}
      <div class="title-line">
        <h1 tabIndex={-1}>No. {sequence}</h1>
        <StateMark state={shown.state} />
      </div>
      <p class="lead">
        <EntryLabel sequence={sequence} content={contents.get(sequence)} />, accepted at{' '}
        {timeOfDay(shown.acceptedAt)}
      </p>
      <section class="card" aria-labelledby="why-title">
        <h2 id="why-title">Why it is here</h2>
        <dl class="facts">
          <dt>Why</dt>
          <dd>{why}</dd>
          <dt>Next</dt>
          <dd>{next}</dd>
          <dt>You</dt>
          <dd>{person ?? 'Nothing to do.'}</dd>
        </dl>
        {isOpen(shown.state) ? (
          <Decide app={app} sequence={sequence} decisions={decisionsFor(shown.state, shown.deadReason)} />
        ) : null}
      </section>
      {history.length === 0 ? null : (
        <section aria-labelledby="history-title">
          <h2 id="history-title">What happened</h2>
          <ol class="history">
            {history.map((event, index) => (
              <li key={`${index} ${event.at}`}>
                <time class="quiet">{timeOfDay(Date.parse(event.at))}</time> {eventText(event)}
              </li>
            ))}
          </ol>
        </section>
      )}
      {note?.kind === 'receipt' ? <ReceiptFacts receipt={note.receipt} /> : null}
      <section aria-labelledby="facts-title">
        <h2 id="facts-title">Facts</h2>
        <dl class="facts">
          <dt>Key</dt>
          <dd class="address">{entry.key}</dd>
          <dt>Lane</dt>
          <dd class="address">{entry.lane}</dd>
          <dt>Attempts spent</dt>
          <dd>{entry.attempts}</dd>
          <dt>Size</dt>
          <dd>{entry.payload === undefined ? 'content deleted' : bytesInWords(entry.payloadBytes)}</dd>
        </dl>
      </section>
      {entry.payload === undefined ? null : <Payload payload={entry.payload} />}
    </>
  )
}

function ReceiptFacts({ receipt }: { readonly receipt: Receipt }): JSX.Element {
  const { at, status, contentSha256, previous } = receipt
  const found = receipt['alreadyThere'] === true
  return (
    <section class="card" aria-labelledby="receipt-title">
      <h2 id="receipt-title">Receipt</h2>
      <dl class="facts">
        <dt>Delivered</dt>
        <dd>{dateAndTime(Date.parse(at))}</dd>
        <dt>Answer</dt>
        <dd>
          {status === undefined ? 'not recorded' : `status ${status}`}
          {receipt.assumed === undefined ? '' : ': somebody said that it was delivered'}
          {found ? ': the server had it already, from a request whose answer was lost' : ''}
        </dd>
        <dt>Content</dt>
        <dd class="address">{contentSha256}</dd>
        <dt>Receipt before</dt>
        <dd class="address">{previous ?? 'none: the first of its lane'}</dd>
      </dl>
    </section>
  )
}

function Payload({ payload }: { readonly payload: Uint8Array }): JSX.Element {
  const { sealed } = contentOf(payload)
  if (sealed !== undefined) return <SealedContent sealed={sealed} />
  return (
    <details>
      <summary>Content</summary>
      {/* A region that scrolls must be reachable by keyboard. */}
      <pre tabIndex={0} aria-label="Content of the entry" role="region">
        {pretty(payload)}
      </pre>
    </details>
  )
}

/** This device has the public key only. */
function SealedContent({ sealed: { suite, keyId } }: { readonly sealed: SealedFor }): JSX.Element {
  return (
    <section aria-labelledby="content-title">
      <h2 id="content-title">Content</h2>
      <p>
        The content is encrypted for key <span class="address">{keyId}</span>; it cannot be shown. Only the
        receiver has the other half of that key ({suiteNames[suite]} envelope).
      </p>
    </section>
  )
}

function pretty(payload: Uint8Array): string {
  const text = new TextDecoder().decode(payload)
  try {
    return JSON.stringify(JSON.parse(text), null, 2)
  } catch {
    return text
  }
}
