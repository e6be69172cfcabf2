export type Difference = {
  /** Array items are named by their code, identifier type or url, for their order means nothing. */
  readonly path: string
  readonly theirs: unknown
  readonly ours: unknown
}

/** Every place in which two JSON values differ; what only one side has is told at its top. */
export function differences(theirs: unknown, ours: unknown, path = ''): readonly Difference[] {
  if (Array.isArray(theirs) && Array.isArray(ours)) {
    return union(named(theirs), named(ours), (name) => `${path}[${name.replace(/ #\d+$/, '')}]`)
  }
  if (isObject(theirs) && isObject(ours)) {
    return union(new Map(Object.entries(theirs)), new Map(Object.entries(ours)), (name) =>
      path === '' ? name : `${path}.${name}`,
    )
  }
  return theirs === ours ? [] : [{ path, theirs, ours }]
}

/** `-` only the guide has it, `+` only we have it, `~` both have it and it is not the same. */
export function signed({ path, theirs, ours }: Difference): string {
  return `${ours === undefined ? '-' : theirs === undefined ? '+' : '~'}${path}`
}

type Members = ReadonlyMap<string, unknown>

function union(theirs: Members, ours: Members, pathOf: (name: string) => string): readonly Difference[] {
  const names = [...new Set([...theirs.keys(), ...ours.keys()])]
  return names.flatMap((name) => differences(theirs.get(name), ours.get(name), pathOf(name)))
}

/** Items by name; of several with one name the first meets the first. */
function named(items: readonly unknown[]): Members {
  const seen = new Map<string, number>()
  return new Map(
    items.map((item, index) => {
      const name = nameOf(item) ?? String(index)
      const count = (seen.get(name) ?? 0) + 1
      seen.set(name, count)
      return [`${name} #${count}`, item]
    }),
  )
}

export function nameOf(item: unknown): string | undefined {
  if (!isObject(item)) return undefined
  if (isObject(item['resource'])) return nameOf(item['resource'])
  for (const concept of [item, item['code'], item['type'], item['systemType']]) {
    const codings = isObject(concept) ? concept['coding'] : undefined
    const [coding] = Array.isArray(codings) ? (codings as readonly unknown[]) : []
    // Devices are named by their type, all other things by their first code.
    if (isObject(coding) && typeof coding['code'] === 'string') return coding['code']
  }
  const name = item['code'] ?? item['url'] ?? item['system'] ?? item['resourceType']
  return typeof name === 'string' ? name.split(/[/:]/).at(-1) : undefined
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
