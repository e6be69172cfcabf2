import type { PlanReport } from '@fhir-outbox/data-queue'
import type { JSX } from 'preact'
import { useEffect, useState } from 'preact/hooks'
import type { App } from '../app-state.js'
import { factsOf, guarantees, planNames } from '../model/plan-words.js'
import { dateAndTime } from '../model/words.js'
import { SignInCard } from './sign-in-card.js'

const types = ['Observation', 'Device', 'Patient']

/** Who is signed in, what is known of the server, and how writes are made safe to repeat because of that. */
export function Server({ app }: { readonly app: App }): JSX.Element {
  const { server, queue, signIn } = app.session
  return (
    <>
      <h1 tabIndex={-1}>Server</h1>
      <p class="lead">
        {server.name}, <span class="address">{server.baseUrl}</span>
      </p>
      {signIn === undefined ? (
        <p class="empty">Signing in needs https, as the browser keeps secrets for such pages only.</p>
      ) : (
        <SignInCard app={app} signIn={signIn} />
      )}
      <PlanSection
        look={(refresh) => queue.plan(types, { refresh })}
        changes={(listener) => queue.subscribe(({ type }) => type === 'evidence-changed' && listener())}
      />
    </>
  )
}

interface PlanSource {
  readonly look: (refresh: boolean) => Promise<PlanReport>
  /** Calls back when something else has become known. */
  readonly changes: (listener: () => void) => () => void
}

function PlanSection({ look, changes }: PlanSource): JSX.Element {
  const [report, setReport] = useState<PlanReport>()
  const [state, setState] = useState<'looking' | 'known' | 'failed'>('looking')

  function load(refresh: boolean): void {
    setState('looking')
    look(refresh).then(
      (found) => {
        setReport(found)
        setState('known')
      },
      () => setState('failed'),
    )
  }
  useEffect(() => {
    load(false)
    return changes(() => load(false))
  }, [])

  return (
    <section aria-labelledby="plan-title">
      <div class="title-line">
        <h2 id="plan-title">What it can do</h2>
        {/* Not `disabled`, which would take the focus from whoever pressed it. */}
        <button
          type="button"
          aria-disabled={state === 'looking'}
          onClick={() => (state === 'looking' ? undefined : load(true))}
        >
          {state === 'looking' ? 'Looking…' : 'Look again'}
        </button>
      </div>
      {state === 'failed' ? (
        <p class="empty">The outbox could not be asked. Load the page again.</p>
      ) : report === undefined ? (
        <p class="empty">Asking the server…</p>
      ) : (
        <Report report={report} />
      )}
    </section>
  )
}

function Report({ report }: { readonly report: PlanReport }): JSX.Element {
  const { evidence, types: plans, bundling } = report
  return (
    <>
      <dl class="facts">
        {factsOf(evidence).map(({ what, said }) => (
          <>
            <dt>{what}</dt>
            <dd>{said}</dd>
          </>
        ))}
        <dt>Known since</dt>
        <dd>{dateAndTime(Date.parse(evidence.at))}</dd>
      </dl>
      <h3 class="sub">How each resource is made safe to repeat</h3>
      <ul class="plans">
        {Object.entries(plans).map(([type, plan]) => (
          <li class="card plan" key={type}>
            <p class="plan-head">
              <b>{type}</b>
              <span class="plan-guarantee">{guarantees[plan.guarantee]}</span>
            </p>
            <p>{planNames[plan.name]}</p>
            <p class="hint">{plan.reason}</p>
          </li>
        ))}
      </ul>
      <p class="hint">
        Readings travel as transactions of their own, each entry under its own condition. {bundling.reason}
      </p>
    </>
  )
}
