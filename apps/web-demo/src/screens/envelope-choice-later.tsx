import type { JSX } from 'preact'
import { useEffect, useState } from 'preact/hooks'
import type { EnvelopeChoice, EnvelopeChoiceProps } from './envelope-choice.js'

type Choice = typeof EnvelopeChoice

let loaded: Choice | undefined

/** The choice of envelopes, whose code is loaded when somebody comes to look at it. */
export function EnvelopeChoiceLater(props: EnvelopeChoiceProps): JSX.Element {
  const [Shown, setShown] = useState<Choice | undefined>(() => loaded)
  const [failed, setFailed] = useState(false)
  useEffect(() => {
    if (Shown !== undefined) return
    import('./envelope-choice.js').then(
      ({ EnvelopeChoice: choice }) => {
        loaded = choice
        setShown(() => choice)
      },
      () => setFailed(true),
    )
  }, [])
  if (Shown !== undefined) return <Shown {...props} />
  return <p class="empty">{failed ? 'The choice could not be loaded. Load the page again.' : 'Loading…'}</p>
}
