import type { JSX } from 'preact'
import { stateNames, type DisplayState } from '../model/states.js'

/** Shapes differ too, so that the state does not depend on colour. */
const shapes: Readonly<Record<DisplayState, string>> = {
  waiting: 'M8 2a6 6 0 1 0 0 12A6 6 0 0 0 8 2Zm0 3v3.2l2.2 1.6',
  sending: 'M2.5 8h10M9 4.5 12.5 8 9 11.5',
  unknown: 'M5.6 5.8a2.4 2.4 0 1 1 3.4 2.6c-.7.3-1 .8-1 1.6M8 12.6v.2',
  held: 'M5.5 3.5v9M10.5 3.5v9',
  delivered: 'M3 8.5 6.5 12 13 4.5',
  dead: 'M4 4l8 8M12 4l-8 8',
  discarded: 'M3 8h10',
  quarantined: 'M8 2.5 14 13H2ZM8 6.5v3M8 11.4v.1',
}

export function StateMark({ state }: { readonly state: DisplayState }): JSX.Element {
  return (
    <span class={`state state-${state}`}>
      <svg viewBox="0 0 16 16" width="14" height="14" aria-hidden="true" focusable="false">
        <path
          d={shapes[state]}
          fill="none"
          stroke="currentColor"
          stroke-width="1.7"
          stroke-linecap="round"
          stroke-linejoin="round"
        />
      </svg>
      {stateNames[state]}
    </span>
  )
}
