/** Which links a page has: Blaze up to 1.7, 1.8 to 1.10, what it plans, or a complete set on every page. */
export type LinkSet = 'blaze-1.7' | 'blaze-1.8' | 'blaze-next' | 'complete' | 'offset' | 'none'

/** How one server departs from the standard, or uses the freedom it leaves. */
export interface FhirProfile {
  /** `counter`: 1, 2, 3 per resource. `transaction`: numbers of the whole store. `none`: no versions, no ETag. */
  readonly versionIds: 'counter' | 'transaction' | 'uuid' | 'none'
  readonly location: 'versioned' | 'unversioned' | 'root-relative'
  /** Whether an update that changes nothing makes a new version. */
  readonly identicalUpdate: 'new-version' | 'same-version'
  /** What a PUT to an unknown id does. */
  readonly updateAsCreate: 'created' | 'not-found'
  /** `uuid`: other ids are refused, with the status in `badIdStatus`. */
  readonly ids: 'any' | 'uuid'
  readonly badIdStatus: 400 | 500
  readonly deletedRead: 'gone' | 'not-found'
  /** Status of a DELETE that did its work, or had nothing to do. */
  readonly deleteStatus: 200 | 204
  /** `false`: If-Match and If-None-Match are not looked at. */
  readonly conditionalHeaders: boolean
  /** `false`: If-None-Exist is not looked at, every create creates. */
  readonly conditionalCreate: boolean
  /** A leading `?` in If-None-Exist matches everything instead of being refused. */
  readonly questionMarkMatchesAll: boolean
  readonly conditionalUpdate: boolean
  readonly conditionalDelete: 'not-supported' | 'single' | 'multiple'
  /** GET with If-None-Match or If-Modified-Since can answer 304. */
  readonly conditionalRead: boolean
  readonly patch: boolean
  readonly deleteHistory: boolean
  readonly systemSearch: boolean
  /** `batch`: the entries of a transaction are run one by one, whatever becomes of their neighbours. */
  readonly transactions: 'atomic' | 'batch' | 'not-supported'
  /** Most entries with ifNoneExist, or a conditional update, in one transaction. */
  readonly conditionalEntries: number
  readonly conditionalReferences: 'resolved' | 'left'
  /** A urn:uuid reference to no entry of the bundle: refused, or stored as it stands. */
  readonly danglingUrn: 'refused' | 'stored'
  /** What an entry of a bundle's answer tells about a version beside its status. */
  readonly entryVersions: boolean
  /** Status of an entry with its words (`201 Created`) or bare. */
  readonly entryStatus: 'words' | 'bare'
  /** Literal references must point to something, and what is pointed at cannot be deleted. */
  readonly integrity: boolean
  readonly validation: 'elements' | 'format' | 'none'
  readonly preferReturn: { readonly minimal: boolean; readonly outcome: 'filled' | 'empty' | 'ignored' }
  /** A body that is no JSON, or of another media type: the status. */
  readonly malformedStatus: 400 | 500
  readonly unsupportedMediaStatus: 400 | 415
  /** Bytes of a body, and the status of a longer one. */
  readonly maxBody: { readonly bytes: number; readonly status: 400 | 413 }
  /** Where the text of an issue stands. */
  readonly issueText: 'diagnostics' | 'details'
  /** Errors carry `ETag: W/""` and a nonsense Location. */
  readonly nonsenseOnErrors: boolean
  readonly challenge: boolean
  readonly emptyNotAcceptable: boolean
  readonly unknownParameters: 'handling' | 'refused' | 'ignored'
  readonly sorts: boolean
  readonly defaultCount: number
  readonly maxCount: number
  readonly links: LinkSet
  /** `first-page`: as Blaze does it. `wish`: with `_total=accurate` only. `page`: the length of the page. */
  readonly total: 'always' | 'first-page' | 'wish' | 'page'
  readonly linkHeader: boolean
  readonly pageLife: 'hours-3-to-5' | 'hours-2-to-4'
  /** Searches by POST keep their parameters in memory: their pages die with the process. */
  readonly clauseTokens: boolean
  /** `bundles`: as Medplum does it. */
  readonly async: 'searches' | 'counts' | 'bundles' | 'not-supported'
  readonly everything: boolean
  /** Searches, and the conditions that need one, see the store as it was this long ago. */
  readonly searchLagMs: number
  readonly cors: 'full' | 'origin-only' | 'none'
}

export type FhirProfileName = 'strict' | 'blaze' | 'medplum' | 'careless'

const strict: FhirProfile = {
  versionIds: 'counter',
  location: 'versioned',
  identicalUpdate: 'new-version',
  updateAsCreate: 'created',
  ids: 'any',
  badIdStatus: 400,
  deletedRead: 'gone',
  deleteStatus: 204,
  conditionalHeaders: true,
  conditionalCreate: true,
  questionMarkMatchesAll: false,
  conditionalUpdate: true,
  conditionalDelete: 'multiple',
  conditionalRead: true,
  patch: true,
  deleteHistory: true,
  systemSearch: true,
  transactions: 'atomic',
  conditionalEntries: Infinity,
  conditionalReferences: 'resolved',
  danglingUrn: 'refused',
  entryVersions: true,
  entryStatus: 'words',
  integrity: false,
  validation: 'elements',
  preferReturn: { minimal: true, outcome: 'filled' },
  malformedStatus: 400,
  unsupportedMediaStatus: 415,
  maxBody: { bytes: Infinity, status: 413 },
  issueText: 'diagnostics',
  nonsenseOnErrors: false,
  challenge: true,
  emptyNotAcceptable: false,
  unknownParameters: 'handling',
  sorts: true,
  defaultCount: 50,
  maxCount: 1000,
  links: 'complete',
  total: 'always',
  linkHeader: false,
  pageLife: 'hours-3-to-5',
  clauseTokens: false,
  async: 'searches',
  everything: true,
  searchLagMs: 0,
  cors: 'full',
}

/** Strict follows the standard to the letter; the others are how real servers were seen to behave. */
export const fhirProfiles: Readonly<Record<FhirProfileName, FhirProfile>> = {
  strict,
  blaze: {
    ...strict,
    versionIds: 'transaction',
    identicalUpdate: 'same-version',
    conditionalUpdate: false,
    conditionalDelete: 'single',
    conditionalRead: false,
    patch: false,
    conditionalReferences: 'left',
    entryStatus: 'bare',
    integrity: true,
    preferReturn: { minimal: true, outcome: 'empty' },
    challenge: false,
    emptyNotAcceptable: true,
    maxCount: 10_000,
    links: 'blaze-1.8',
    total: 'first-page',
    linkHeader: true,
    clauseTokens: true,
    async: 'counts',
    cors: 'none',
  },
  medplum: {
    ...strict,
    versionIds: 'uuid',
    location: 'unversioned',
    identicalUpdate: 'same-version',
    updateAsCreate: 'not-found',
    ids: 'uuid',
    deleteStatus: 200,
    questionMarkMatchesAll: true,
    conditionalRead: false,
    deleteHistory: false,
    systemSearch: false,
    transactions: 'batch',
    conditionalEntries: 8,
    danglingUrn: 'stored',
    entryVersions: false,
    entryStatus: 'bare',
    preferReturn: { minimal: true, outcome: 'ignored' },
    unsupportedMediaStatus: 400,
    maxBody: { bytes: 1024 * 1024, status: 400 },
    issueText: 'details',
    challenge: false,
    unknownParameters: 'refused',
    defaultCount: 20,
    links: 'offset',
    total: 'wish',
    async: 'bundles',
  },
  careless: {
    ...strict,
    versionIds: 'none',
    location: 'root-relative',
    identicalUpdate: 'new-version',
    ids: 'uuid',
    badIdStatus: 500,
    deletedRead: 'not-found',
    conditionalHeaders: false,
    conditionalCreate: false,
    conditionalUpdate: false,
    conditionalDelete: 'not-supported',
    conditionalRead: false,
    patch: false,
    deleteHistory: false,
    systemSearch: false,
    transactions: 'batch',
    conditionalReferences: 'left',
    danglingUrn: 'stored',
    entryVersions: false,
    entryStatus: 'bare',
    validation: 'none',
    preferReturn: { minimal: false, outcome: 'ignored' },
    malformedStatus: 500,
    nonsenseOnErrors: true,
    challenge: false,
    unknownParameters: 'ignored',
    sorts: false,
    links: 'none',
    total: 'page',
    async: 'not-supported',
    everything: false,
    searchLagMs: 2000,
  },
}

/** A profile by name, or one with departures of its own. */
export type FhirProfileChoice = FhirProfileName | ({ readonly like?: FhirProfileName } & Partial<FhirProfile>)

export function resolveProfile(choice: FhirProfileChoice = 'strict'): FhirProfile {
  if (typeof choice === 'string') return fhirProfiles[choice]
  const { like = 'strict', ...overrides } = choice
  return { ...fhirProfiles[like], ...overrides }
}
