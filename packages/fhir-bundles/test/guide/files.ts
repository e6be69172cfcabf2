import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { deviceBundle, type DeviceBundleOptions, type Reading, stringifyExact } from '../../src/index.js'

// The official examples of the Personal Health Device guide lie beside the repository, not in it.
const folder = new URL('../../../../../shared/data/phd-ig/', import.meta.url)
export const guideIsPresent: boolean = existsSync(folder)
if (!guideIsPresent) {
  console.info(`Comparison with the guide's examples left out: ${folder.pathname} is not there`)
}

export type Json = { readonly [name: string]: unknown }

export function guideFile(name: string): Json {
  return exactJson(readFileSync(new URL(`${name}.json`, folder), 'utf8')) as Json
}

export function guideFiles(): readonly string[] {
  return readdirSync(folder).map((file) => file.replace(/\.json$/, ''))
}

/** Numbers become texts, so that `2.0` is not `2`. */
export function exactJson(json: string): unknown {
  const quoted = json.replaceAll(
    /("(?:[^"\\]|\\.)*")|(-?\d[-+.\deE]*)/g,
    (_, text: string | undefined, number: string) => text ?? `"${number}"`,
  )
  return JSON.parse(quoted)
}

/** References of the guide, by the profile of ours that they stand for. */
export type GuideIds = Readonly<Record<string, string>>

/** The resources made of a reading; where they refer to each other stand the ids of the guide. */
export function rebuilt(
  reading: Reading,
  ids: GuideIds = {},
  options: DeviceBundleOptions = {},
): readonly Json[] {
  const entries = deviceBundle([reading], options).bundle?.entry ?? []
  const text = entries.reduce(
    (all, { fullUrl, resource }) => all.replaceAll(fullUrl, ids[profileOf(resource)] ?? fullUrl),
    stringifyExact(entries.map(({ resource }) => resource)),
  )
  return exactJson(text) as readonly Json[]
}

export function profileOf(resource: { readonly meta?: unknown }): string {
  const [profile = ''] = (resource.meta as { profile?: readonly string[] } | undefined)?.profile ?? []
  return profile.split('/').at(-1) ?? ''
}
