import type { JSX } from 'preact'
import { useEffect, useState } from 'preact/hooks'
import type { PlotProps } from './plot.js'

type Plot = typeof import('./plot.js').Plot

let loaded: Plot | undefined

/** A plot whose code is loaded with the first one; the table has the values meanwhile. */
export function PlotLater(props: PlotProps): JSX.Element {
  const [Drawn, setDrawn] = useState<Plot | undefined>(() => loaded)
  useEffect(() => {
    if (Drawn !== undefined) return
    import('./plot.js').then(
      ({ Plot }) => {
        loaded = Plot
        setDrawn(() => Plot)
      },
      // Without a network, and without the files kept: no plot.
      () => undefined,
    )
  }, [])
  return Drawn === undefined ? <figure class="plot" style={{ height: props.height }} /> : <Drawn {...props} />
}
