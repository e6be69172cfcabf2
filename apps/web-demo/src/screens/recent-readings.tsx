import type { JSX } from 'preact'
import type { App } from '../app-state.js'
import { timeOfDay } from '../model/words.js'
import { useStore } from '../platform/store.js'
import { EntryLabel } from '../ui/entry-label.js'
import { StateMark } from '../ui/state-mark.js'

const shown = 6

export function RecentReadings({ app }: { readonly app: App }): JSX.Element | null {
  const view = useStore(app.view)
  const contents = useStore(app.contents)
  const latest = view?.entries.slice(0, shown) ?? []
  if (latest.length === 0) return null
  return (
    <section aria-labelledby="recent-title">
      <h2 id="recent-title">Latest</h2>
      <ul class="rows">
        {latest.map(({ sequence, state, acceptedAt }) => (
          <li key={sequence}>
            <a class="row" href={`#/outbox/${sequence}`}>
              <span class="row-main">
                <EntryLabel sequence={sequence} content={contents.get(sequence)} />
              </span>
              <time class="quiet">{timeOfDay(acceptedAt)}</time>
              <StateMark state={state} />
            </a>
          </li>
        ))}
      </ul>
    </section>
  )
}
