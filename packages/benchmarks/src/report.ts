/** One figure beside a rival and beside the limit, measured in the same run. */
export interface Figure {
  readonly bench: string
  readonly case: string
  readonly unit: string
  readonly ours: number
  readonly peer?: number
  readonly peerName?: string
  readonly limit?: number
  /** The ratio that is aimed at: to the peer when there is one, else to the limit. */
  readonly target?: number
  /** `at-most`: smaller is better, e.g. milliseconds and bytes. Default `at-least`. */
  readonly sense?: 'at-least' | 'at-most'
}

/** A table for people, or one JSON object a line. */
export function print(figures: readonly Figure[], json: boolean): void {
  const rows = figures.map((figure) => {
    const { ours, peer, limit, target, sense = 'at-least' } = figure
    const ratioToPeer = peer === undefined ? undefined : ours / peer
    const ratioToLimit = limit === undefined ? undefined : ours / limit
    const ratio = ratioToPeer ?? ratioToLimit ?? ours
    const met = target === undefined ? undefined : sense === 'at-least' ? ratio >= target : ratio <= target
    return { ...figure, ratioToPeer, ratioToLimit, met }
  })
  if (json) {
    for (const { sense: _sense, ...row } of rows) console.log(JSON.stringify(row))
    return
  }
  const cells = rows.map(
    ({ case: what, unit, ours, peer, peerName, limit, ratioToPeer, ratioToLimit, target, sense, met }) => [
      what,
      `${round(ours)} ${unit}`,
      peer === undefined ? '' : `${round(peer)} ${peerName ?? ''}`,
      ratioToPeer === undefined ? '' : `${ratioToPeer.toFixed(2)} x`,
      limit === undefined ? '' : round(limit),
      ratioToLimit === undefined ? '' : `${ratioToLimit.toFixed(2)} x`,
      target === undefined ? '' : `${sense === 'at-most' ? '<=' : '>='} ${target}`,
      met === undefined ? '' : met ? 'met' : 'missed',
    ],
  )
  const table = [['case', 'ours', 'peer', 'to peer', 'limit', 'to limit', 'target', ''], ...cells]
  const widths = (table[0] ?? []).map((_cell, column) =>
    Math.max(...table.map((row) => row[column]?.length ?? 0)),
  )
  for (const row of table)
    console.log(
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd(),
    )
}

function round(value: number): string {
  return value >= 100 ? Math.round(value).toLocaleString('en') : value.toPrecision(3)
}
