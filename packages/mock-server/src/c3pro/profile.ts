/** How envelopes are sealed: as C3-PRO has it, or as JWE in JSON. */
export type C3ProSuite = 'c3-pro' | 'jwe'

/** How the C3-PRO receiver behaves where the original of 2016 departs from good sense. */
export interface C3ProProfile {
  /** The answer to a registration has a comma too many, which strict parsers refuse. */
  readonly trailingComma: boolean
  /** A refused envelope is answered with status 200 and a body that is no JSON. */
  readonly errorsUnder200: boolean
  /** Whatever goes wrong behind the token check is answered with 401. */
  readonly anythingIs401: boolean
  /**
   * A create whose resource carries a delivery key is filed once, by itself or in a transaction that is run. There a
   * create with a condition of its own goes by the condition, and updates are run each time.
   */
  readonly deduplicates: boolean
  /** A Bundle of type transaction that is found in an envelope is run; else it is filed as a document. */
  readonly runsTransactions: boolean
  /**
   * `refuse`: an envelope for a key that was never handed out is answered with 422 `unknown_key` and forgotten.
   * `always-200`: it is kept as one that cannot be opened, and the sender is told nothing.
   */
  readonly knowsKeys: 'always-200' | 'refuse'
  /** Envelopes of other suites are malformed here. `/c3pro/jwks` is there for receivers of `jwe`. */
  readonly suites: readonly C3ProSuite[]
  /** Whose access tokens are good here: those of registered devices, any that this server issued, or none is needed. */
  readonly tokens: 'devices' | 'any' | 'none'
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
    runsTransactions: true,
    knowsKeys: 'always-200',
    suites: ['c3-pro', 'jwe'],
    tokens: 'devices',
    backDoorReceipt: false,
  },
  '2016': {
    trailingComma: true,
    errorsUnder200: true,
    anythingIs401: true,
    deduplicates: false,
    runsTransactions: false,
    knowsKeys: 'always-200',
    suites: ['c3-pro'],
    tokens: 'devices',
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
