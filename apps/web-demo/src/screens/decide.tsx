import type { JSX } from 'preact'
import { useRef, useState } from 'preact/hooks'
import type { App } from '../app-state.js'
import type { Decision } from '../model/states.js'

const words = {
  redrive: {
    button: 'Send again',
    title: 'Send it again',
    text: 'It keeps its number and its key, and goes before everything that has waited since.',
    suggestion: 'The server should take it now.',
  },
  discard: {
    button: 'Discard',
    title: 'Discard the reading',
    text: 'The server will never get it. Your decision and its reason are kept.',
    suggestion: '',
  },
  assumeDelivered: {
    button: 'It is there',
    title: 'Take it for delivered',
    text: 'It is not sent again, and its content is deleted from this device. That you said so, and why, is kept in its receipt.',
    suggestion: '',
  },
  withdraw: {
    button: 'Withdraw',
    title: 'Withdraw the reading',
    text: 'It is taken back before it has arrived, and the server will never get it. What waits behind it goes on. Your decision and its reason are kept.',
    suggestion: '',
  },
} as const

interface Props {
  readonly app: App
  readonly sequence: number
  readonly decisions: readonly Decision[]
}

/**
 * What a person may do with an entry. Each decision has a reason, which is kept. While somebody writes it, the entry may
 * come into another state, and the dialog stays: the queue says so when the decision cannot be taken any more.
 */
export function Decide({ app, sequence, decisions }: Props): JSX.Element {
  const dialog = useRef<HTMLDialogElement>(null)
  const [decision, setDecision] = useState<Decision>('redrive')
  const [reason, setReason] = useState('')
  const [problem, setProblem] = useState<string>()

  function ask(kind: Decision): void {
    setDecision(kind)
    setReason(words[kind].suggestion)
    setProblem(undefined)
    dialog.current?.showModal()
  }

  async function decide(event: SubmitEvent): Promise<void> {
    event.preventDefault()
    if (reason.trim() === '') {
      setProblem('Please say why; whoever asks later will want to know.')
      dialog.current?.querySelector('textarea')?.focus()
      return
    }
    try {
      await app.session.queue.outbox[decision](sequence, { actor: 'a visitor', reason: reason.trim() })
      dialog.current?.close()
      // The button that opened the dialog goes with the decision; the focus must not go with it.
      document.querySelector<HTMLElement>('main h1')?.focus()
    } catch (error) {
      setProblem(error instanceof Error ? error.message : 'It could not be done.')
    }
  }

  const { title, text } = words[decision]
  return (
    <>
      {decisions.length === 0 ? null : (
        <p class="buttons">
          {decisions.map((one) => (
            <button
              type="button"
              key={one}
              {...(one === 'redrive' ? { class: 'primary' } : {})}
              onClick={() => ask(one)}
            >
              {words[one].button}
              {one === 'redrive' ? '' : '…'}
            </button>
          ))}
        </p>
      )}
      <dialog ref={dialog} aria-labelledby="decide-title">
        <form noValidate onSubmit={(event) => void decide(event)}>
          <h2 id="decide-title">{title}</h2>
          <p>{text}</p>
          <div class="field">
            <label for="decide-reason">Reason</label>
            <textarea
              id="decide-reason"
              rows={3}
              value={reason}
              aria-invalid={problem !== undefined}
              {...(problem === undefined ? {} : { 'aria-describedby': 'decide-problem' })}
              onInput={({ currentTarget }) => setReason(currentTarget.value)}
            />
            {problem === undefined ? null : (
              <p class="field-error" id="decide-problem" role="alert">
                {problem}
              </p>
            )}
          </div>
          <p class="buttons">
            <button type="submit" class="primary">
              {title}
            </button>
            <button type="button" onClick={() => dialog.current?.close()}>
              Cancel
            </button>
          </p>
        </form>
      </dialog>
    </>
  )
}
