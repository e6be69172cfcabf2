import type { JSX } from 'preact'
import type { App } from '../app-state.js'
import { isOpen } from '../model/states.js'
import { inWords, timeOfDay } from '../model/words.js'
import { useNow, useStore } from '../platform/store.js'
import type { EntryView } from '../queue/view.js'
import { EntryLabel } from '../ui/entry-label.js'
import { StateMark } from '../ui/state-mark.js'

const settledShown = 30

export function Outbox({ app }: { readonly app: App }): JSX.Element {
  const view = useStore(app.view)
  const entries = view?.entries ?? []
  const dead = entries.filter(({ state }) => state === 'dead' || state === 'quarantined')
  const moving = entries.filter((entry) => isOpen(entry.state) && !dead.includes(entry)).reverse()
  const settled = entries.filter(({ state }) => !isOpen(state))
  const lanes = [...new Set(moving.map(({ lane }) => lane))]
  const now = useNow(moving.some(({ dueAt }) => dueAt !== undefined))
  const stats = view?.stats

  return (
    <>
      <div class="title-line">
        <h1 tabIndex={-1}>Outbox</h1>
        <button type="button" onClick={app.tryNow}>
          Try now
        </button>
      </div>
      {stats === undefined ? null : (
        <p class="lead">
          {stats.accepted} accepted = {stats.waiting} waiting + {stats.delivered} delivered + {stats.dead}{' '}
          dead
          {' + '}
          {stats.discarded} discarded{stats.quarantined === 0 ? '' : ` + ${stats.quarantined} damaged`}
        </p>
      )}

      {dead.length === 0 ? null : (
        <section aria-labelledby="dead-title">
          <h2 id="dead-title">For you to decide</h2>
          <Entries app={app} entries={dead} now={now} />
        </section>
      )}

      <section aria-labelledby="moving-title">
        <h2 id="moving-title">On the way</h2>
        {moving.length === 0 ? <p class="empty">Nothing waits.</p> : null}
        {lanes.map((lane) => (
          <div key={lane} class="lane">
            <h3>
              Lane <span class="address">{lane}</span>
            </h3>
            <Entries app={app} entries={moving.filter((entry) => entry.lane === lane)} now={now} />
          </div>
        ))}
      </section>

      <section aria-labelledby="settled-title">
        <h2 id="settled-title">Settled</h2>
        {settled.length === 0 ? <p class="empty">Nothing was delivered yet.</p> : null}
        <Entries app={app} entries={settled.slice(0, settledShown)} now={now} />
      </section>
    </>
  )
}

function Entries({
  app,
  entries,
  now,
}: {
  readonly app: App
  readonly entries: readonly EntryView[]
  readonly now: number
}): JSX.Element | null {
  const contents = useStore(app.contents)
  if (entries.length === 0) return null
  return (
    <ol class="rows">
      {entries.map(({ sequence, state, acceptedAt, dueAt, attempts }) => (
        <li key={sequence}>
          <a class="row" href={`#/outbox/${sequence}`} data-sequence={sequence} data-state={state}>
            <span class="row-number" aria-hidden="true">
              {sequence}
            </span>
            <span class="row-main">
              <EntryLabel sequence={sequence} content={contents.get(sequence)} />
            </span>
            <span class="quiet row-note">
              {[
                ...(dueAt !== undefined && dueAt > now ? [`again ${inWords(dueAt - now)}`] : []),
                ...(attempts > 0 && isOpen(state) ? [`tried ${attempts}×`] : []),
              ].join(', ')}
            </span>
            <time class="quiet">{timeOfDay(acceptedAt)}</time>
            <StateMark state={state} />
          </a>
        </li>
      ))}
    </ol>
  )
}
