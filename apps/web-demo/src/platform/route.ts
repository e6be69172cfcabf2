export type Route =
  | { readonly screen: 'measure' | 'trends' | 'outbox' | 'server' | 'settings' }
  | { readonly screen: 'entry'; readonly sequence: number }

/** Which screen a fragment such as `#/outbox/12` names; Measure for anything unknown. */
export function parseRoute(hash: string): Route {
  const [, screen, detail] = hash.replace(/^#/, '').split('/')
  if (screen === 'outbox' && detail !== undefined && /^\d+$/.test(detail)) {
    return { screen: 'entry', sequence: Number(detail) }
  }
  switch (screen) {
    case 'trends':
    case 'outbox':
    case 'server':
    case 'settings':
      return { screen }
    default:
      return { screen: 'measure' }
  }
}
