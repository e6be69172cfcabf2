/** How the C3-PRO receiver behaves where the original of 2016 departs from good sense. */
export interface C3ProProfile {
  /** The answer to a registration has a comma too many, which strict parsers refuse. */
  readonly trailingComma: boolean
  /** A refused envelope is answered with status 200 and a body that is no JSON. */
  readonly errorsUnder200: boolean
  /** Whatever goes wrong behind the token check is answered with 401. */
  readonly anythingIs401: boolean
  readonly deduplicates: boolean
  /** The receipt `NO-APP-RECEIPT` registers anybody. */
  readonly backDoorReceipt: boolean
}

export type C3ProProfileName = 'correct' | '2016'

const profiles: Readonly<Record<C3ProProfileName, C3ProProfile>> = {
  correct: {
    trailingComma: false,
    errorsUnder200: false,
    anythingIs401: false,
    deduplicates: true,
    backDoorReceipt: false,
  },
  '2016': {
    trailingComma: true,
    errorsUnder200: true,
    anythingIs401: true,
    deduplicates: false,
    backDoorReceipt: true,
  },
}

/** A profile by name, or one with departures of its own. */
export type C3ProProfileChoice =
  C3ProProfileName | ({ readonly like?: C3ProProfileName } & Partial<C3ProProfile>)

export function resolveC3ProProfile(choice: C3ProProfileChoice = 'correct'): C3ProProfile {
  if (typeof choice === 'string') return profiles[choice]
  const { like = 'correct', ...overrides } = choice
  return { ...profiles[like], ...overrides }
}
