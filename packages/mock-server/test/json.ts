/** Loosely typed JSON: tests assert its values. */
export interface Json {
  readonly [name: string]: Json
  readonly [index: number]: Json
}

export async function json(response: Response | Promise<Response>): Promise<Json> {
  return (await (await response).json()) as Json
}

export function ids(bundle: Json): string[] {
  const entries = (bundle['entry'] ?? []) as unknown as readonly { resource: { id: string } }[]
  return entries.map((entry) => entry.resource.id)
}

export function links(bundle: Json): Record<string, string> {
  const list = (bundle['link'] ?? []) as unknown as readonly { relation: string; url: string }[]
  return Object.fromEntries(list.map(({ relation, url }) => [relation, url]))
}
