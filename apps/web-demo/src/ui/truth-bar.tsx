import type { JSX } from 'preact'
import { conditionOf, stuckHead } from '../model/condition.js'
import { inWords, readings, timeOfDay } from '../model/words.js'
import { useNow, useStore } from '../platform/store.js'
import { heads } from '../queue/view.js'
import type { App } from '../app-state.js'

/** What is true right now: how the server can be reached, how much waits, when the next attempt is. */
export function TruthBar({ app }: { readonly app: App }): JSX.Element {
  const view = useStore(app.view)
  const gate = useStore(app.gate)
  const online = useStore(app.online)
  const open = view?.stats.waiting ?? 0
  const first = heads(view?.entries ?? [])
  const condition = conditionOf({
    online,
    gate,
    headUnknown: first.some(({ state }) => state === 'unknown'),
    headStuck: stuckHead(first),
    open,
    dead: view?.stats.dead ?? 0,
    known: view !== undefined,
  })
  const sending = view?.stats.leased ?? 0
  const nextAt = open === 0 ? undefined : nextAttempt(gate.closed ? gate.nextTrialAt : undefined, first)
  const now = useNow(nextAt !== undefined)
  const dead = view?.stats.dead ?? 0

  return (
    <section class={`truth truth-${condition.kind}`} aria-label="State of delivery">
      <div class="truth-words" role="status">
        <p class="truth-title">
          <span class="truth-dot" aria-hidden="true" />
          {condition.title}
          {condition.kind === 'throttled' && nextAt !== undefined ? ` until ${timeOfDay(nextAt)}` : ''}
        </p>
        <p class="truth-meaning">
          {condition.meaning}
          {condition.kind === 'sign-in' ? (
            <>
              {' '}
              <a href="#/server">Sign in</a>
            </>
          ) : null}
        </p>
      </div>
      <dl class="truth-facts">
        <div>
          <dt>Waiting</dt>
          <dd data-testid="waiting">{view === undefined ? '–' : open}</dd>
        </div>
        <div>
          <dt>Next attempt</dt>
          <dd data-testid="next-attempt">
            {view === undefined ? '–' : nextWords(open, sending, nextAt, now, condition.kind === 'offline')}
          </dd>
        </div>
        {dead === 0 ? null : (
          <div>
            <dt>To decide</dt>
            <dd>
              <a href="#/outbox">{readings(dead)}</a>
            </dd>
          </div>
        )}
      </dl>
    </section>
  )
}

/** When something happens by itself: the trial of a closed server, or the first entry that comes due. */
function nextAttempt(
  trialAt: number | undefined,
  first: readonly { readonly dueAt?: number }[],
): number | undefined {
  if (trialAt !== undefined) return trialAt
  const due = first.flatMap(({ dueAt }) => (dueAt === undefined ? [] : [dueAt]))
  return due.length === 0 ? undefined : Math.min(...due)
}

function nextWords(
  open: number,
  sending: number,
  nextAt: number | undefined,
  now: number,
  offline: boolean,
): string {
  if (open === 0) return 'none needed'
  if (offline) return 'with the network'
  if (nextAt !== undefined && nextAt > now) return inWords(nextAt - now)
  return sending > 0 ? 'under way' : 'now'
}
