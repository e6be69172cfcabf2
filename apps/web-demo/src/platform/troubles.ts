/** What a visitor can do to the mock server. The last two strike one request. */
export type Trouble = 'down' | 'lose-replies' | 'ask-who' | 'refuse-next' | 'pause-next'

const all: readonly string[] = [
  'down',
  'lose-replies',
  'ask-who',
  'refuse-next',
  'pause-next',
] satisfies Trouble[]

/** Reads a list of troubles; anything else in it is left out. */
export function parseTroubles(value: unknown): readonly Trouble[] {
  const isTrouble = (item: unknown): item is Trouble => typeof item === 'string' && all.includes(item)
  return Array.isArray(value) ? value.filter(isTrouble) : []
}
