import type { Resource } from './model.js'
import { FhirProblem } from './problem.js'
import type { FhirProfile } from './profile.js'
import type { Cursor } from './repository.js'
import type { PageSeal, PageState } from './page-seal.js'
import type { Pair } from './search.js'

type Relation = 'first' | 'self' | 'previous' | 'next'

/** A Bundle whose links are still to be sealed: that takes a promise, and searches run inside transactions. */
export interface OpenBundle {
  readonly bundle: Resource
  /** Plain URLs, or states to seal into page links, in the order in which they appear. */
  readonly links: readonly (readonly [relation: Relation, target: string | PageState])[]
}

/** How many pages back `previous` reaches. */
const maxBack = 10

/** The links of one page, as the profile's server gives them. */
export function pageLinks(
  profile: FhirProfile,
  state: PageState,
  self: string,
  next: Cursor | undefined,
): OpenBundle['links'] {
  const { after, back } = state
  const isFirst = after === undefined
  const { after: _after, ...common } = state
  const first: PageState = { ...common, back: [] }
  const ahead: OpenBundle['links'] =
    next === undefined
      ? []
      : [['next', { ...state, after: next, back: [...back, after ?? null].slice(-maxBack) }]]
  const last = back.at(-1)
  const previous: OpenBundle['links'] =
    last === undefined
      ? []
      : [['previous', { ...common, ...(last === null ? {} : { after: last }), back: back.slice(0, -1) }]]
  if (state.kind === 'everything') return ahead
  switch (profile.links) {
    case 'none':
      return []
    case 'blaze-1.7':
      return isFirst ? firstPage() : [['first', first], ...ahead]
    case 'blaze-1.8':
      return isFirst ? firstPage() : [['first', first], ...previous, ...ahead]
    default:
      return isFirst ? [['self', self], ...ahead] : [['self', self], ['first', first], ...previous, ...ahead]
  }

  function firstPage(): OpenBundle['links'] {
    // Where there is nothing to page through, Blaze gives no page links at all.
    return state.total === 0 ? [['self', self]] : [['first', first], ['self', self], ...ahead]
  }
}

const segments: Readonly<Record<PageState['kind'], string>> = {
  search: '__page',
  history: '__history-page',
  everything: '__everything-page',
}

function pagePath({ kind, type, id }: Pick<PageState, 'kind' | 'type' | 'id'>): string {
  return [type, id, segments[kind]].filter((part) => part !== undefined).join('/')
}

export interface Pages {
  close(open: OpenBundle, fhirBase: string, now: number): Promise<Resource>
  /** 404 for everything that cannot be opened here and now. */
  open(place: Pick<PageState, 'kind' | 'type' | 'id'>, token: string, now: number): Promise<PageState>
  /** Keeps the parameters of a search by POST in memory; the token stands for them in links. */
  keepClauses(pairs: readonly Pair[], now: number): string
}

/** Milliseconds that the parameters of a search by POST are kept after they were last used. */
const clauseLifeMs = 60 * 60 * 1000

export function createPages(seal: PageSeal, newId: () => string): Pages {
  // In memory only, as in the original: after a restart the pages of searches by POST are gone.
  const clauses = new Map<string, { readonly pairs: readonly Pair[]; usedAt: number }>()
  return {
    close: async ({ bundle, links }, fhirBase, now) => {
      const link = await Promise.all(
        links.map(async ([relation, target]) => {
          if (typeof target === 'string') return { relation, url: target }
          return { relation, url: `${fhirBase}/${pagePath(target)}/${await seal.seal(target, now)}` }
        }),
      )
      if (link.length === 0) return bundle
      const { entry, ...head } = bundle
      return { ...head, link, ...(entry === undefined ? {} : { entry }) } as Resource
    },
    open: async (place, token, now) => {
      const state = await seal.open(token, now)
      if (state === undefined || pagePath(state) !== pagePath(place)) {
        throw new FhirProblem(404, 'not-found', `Page with id \`${token.slice(0, 80)}\` not found.`)
      }
      if (state.clauses === undefined) return state
      const kept = clauses.get(state.clauses)
      if (kept === undefined || kept.usedAt + clauseLifeMs <= now) {
        throw new FhirProblem(404, 'not-found', `Clauses of token \`${state.clauses}\` not found.`)
      }
      kept.usedAt = now
      return { ...state, pairs: kept.pairs }
    },
    keepClauses: (pairs, now) => {
      for (const [token, kept] of clauses) if (kept.usedAt + clauseLifeMs <= now) clauses.delete(token)
      const token = newId().replaceAll('-', '')
      clauses.set(token, { pairs, usedAt: now })
      return token
    },
  }
}

const maxLinkHeader = 2048

/** Every link again as a header (RFC 8288); the longest sets lose `previous`, `first` and `self`, in this order. */
export function linkHeader(bundle: Resource): Record<string, string> {
  const links = (bundle['link'] ?? []) as readonly { readonly relation: string; readonly url: string }[]
  for (const dropped of [[], ['previous'], ['previous', 'first'], ['previous', 'first', 'self']]) {
    const header = links
      .filter(({ relation }) => !dropped.includes(relation))
      .map(({ relation, url }) => `<${url}>;rel="${relation}"`)
      .join(',')
    if (header !== '' && header.length <= maxLinkHeader) return { link: header }
  }
  return {}
}
