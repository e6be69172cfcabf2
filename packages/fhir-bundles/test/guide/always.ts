import { type Difference, signed } from './differences.js'

/** What we write otherwise in every resource, and why. */
export const ALWAYS: readonly (readonly [pattern: RegExp, reason: string])[] = [
  [/^-id$/, 'a create has no id: servers ignore it'],
  [/^\+identifier$/, 'every resource has an identifier, so that a repeat creates nothing twice'],
  [/^-performer$/, 'a gateway does not know who measured'],
  [/^[-+~].+\.text$/, 'texts for people beside a code are our own'],
  [/^~.+\.unit$/, 'unit texts are our own: some of theirs are misprinted'],
  [
    /^[-+].+\.display$/,
    'a display is optional: LOINC and the status of a measurement have one here or there',
  ],
]

// Reasons that several examples and bundles share.
export const CERTIFICATION = 'certification and regulation are not in a reading'
export const CLOCK = 'what a clock can do is not in a reading'
export const SECOND_LOINC = 'the second LOINC code that US Core asks for'

/** Within a bundle the same holds for the resource of an entry. */
export function alwaysReason(difference: Difference): string | undefined {
  const path = signed(difference).replace(/entry\[\w+\]\.resource\./, '')
  return ALWAYS.find(([pattern]) => pattern.test(path))?.[1]
}
