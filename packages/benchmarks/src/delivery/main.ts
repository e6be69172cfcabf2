import { MedplumClient } from '@medplum/core'
import FHIR from 'fhirclient'
import { Agent, request as undiciRequest } from 'undici'
import { openDataQueue } from '@fhir-outbox/data-queue'
import { createFhirClient } from '@fhir-outbox/fhir-client'
import { keepAliveSender } from '@fhir-outbox/fhir-client/node'
import { openFsStorage } from '@fhir-outbox/storage-fs'
import { quantile } from '../measure.js'
import { print, type Figure } from '../report.js'
import { observation } from '../storage/content.js'
import { freshFolder } from '../storage/folder.js'
import { carefulLoop, limitLoop, storedFrom, type Exchange, type Post, type Request } from './loops.js'
import { startServer } from './server.js'

const json = process.argv.includes('--json')
const quick = process.argv.includes('--quick')
const rounds = quick ? 1 : 3
const server = await startServer()
const base = server.url
const headers = {
  'content-type': 'application/fhir+json',
  accept: 'application/fhir+json',
  prefer: 'return=minimal',
}
const texts = Array.from({ length: 10_000 }, (_, index) => observation(index))
const stored = storedFrom(texts)
const limitName = 'same sender, limit: bodies ready, answers forgotten'
const carefulName = 'same sender, bodies joined, answers read'
const sizes = [10, 50, 100, 250]

/** How many resources a case takes: enough to be steady, few enough to end. */
function amount(size: number, delayMs: number): number {
  if (delayMs === 0) return quick ? Math.max(500, size * 10) : 10_000
  return quick ? Math.max(25, size * 2) : Math.min(10_000, Math.max(200, size * 40))
}

/** Resources a second from a full store on disk; and requests per resource over the fewest possible. */
async function ours(
  count: number,
  size: number,
  lanes: number,
): Promise<{ readonly rate: number; readonly excess: number }> {
  const folder = freshFolder()
  const sender = keepAliveSender()
  const queue = openDataQueue({
    storage: await openFsStorage({ directory: folder.path }),
    fhir: createFhirClient({ baseUrl: base, send: sender }),
    transactions: size === 1 ? 'never' : 'trusted',
    bundle: { entries: size, bytes: 4_000_000 },
    // A run of several requests, as somebody with a backlog would set it.
    defaults: { lanes, runEntries: Math.max(10 * size, 200), runBytes: 8_000_000 },
  })
  for (let from = 0; from < count; from += 500) {
    await queue.enqueueAll(
      texts
        .slice(from, Math.min(count, from + 500))
        .map((resource, index) => ({ resource, lane: `lane ${(from + index) % lanes}` })),
    )
  }
  // Evidence is asked for once in a day, not once per delivery.
  await queue.plan()
  await server.take()
  const started = performance.now()
  const { delivered } = await queue.flush()
  const seconds = (performance.now() - started) / 1_000
  const { requests, resources } = await server.take()
  if (delivered !== count || resources !== count)
    throw new Error(`${delivered} delivered, ${resources} arrived of ${count}`)
  await queue.close()
  await sender.close()
  folder.remove()
  return { rate: count / seconds, excess: requests / Math.ceil(count / size) }
}

const agent = new Agent({ connections: 8 })
const bareSender = keepAliveSender()
const send = ({ path, headers: own, body }: Request): ReturnType<typeof bareSender.send> =>
  bareSender.send({ method: 'POST', url: base + path, headers: { ...headers, ...own }, body })

/** The same sender, and all that a caller needs to know of an answer. */
const careful: Exchange = async (request) => {
  const { headers: given, body } = await send(request)
  let text = ''
  const read = new TextDecoder()
  if (body !== null) {
    for await (const chunk of body as AsyncIterable<Uint8Array>) text += read.decode(chunk, { stream: true })
  }
  return { location: given.get('location'), etag: given.get('etag'), text }
}

const limits = {
  [limitName]: async (request) => {
    const { body } = await send(request)
    if (body !== null) for await (const _chunk of body as AsyncIterable<Uint8Array>);
  },
  'undici.request, limit': async ({ path, headers: own, body }) => {
    const options = { method: 'POST', headers: { ...headers, ...own }, body, dispatcher: agent } as const
    const answer = await undiciRequest(base + path, options)
    await answer.body.arrayBuffer()
  },
  'fetch, limit': async ({ path, headers: own, body }) => {
    const answer = await fetch(base + path, {
      method: 'POST',
      headers: { ...headers, ...own },
      body: body as Uint8Array<ArrayBuffer>,
    })
    await answer.arrayBuffer()
  },
} satisfies Record<string, Post>

const fhirclient = FHIR({ headers: {} } as never, {} as never).client(base)
const medplum = new MedplumClient({ baseUrl: base.slice(0, -'/fhir'.length), fhirUrlPath: 'fhir', fetch })
const decoder = new TextDecoder()
/** Libraries take text or objects; what they do with them is part of their price. */
const libraries: Readonly<Record<string, Post>> = {
  fhirclient: async ({ path, headers: own, body }) => {
    await fhirclient.request({
      url: path === '' ? base : path.slice(1),
      method: 'POST',
      headers: { ...headers, ...own },
      body: decoder.decode(body),
    })
  },
  '@medplum/core': async ({ path, body }) => {
    const value = JSON.parse(decoder.decode(body)) as never
    if (path === '') await medplum.executeBatch(value)
    else await medplum.createResource(value)
  },
}

/** Candidates take turns, so that a slow minute hits all of them. */
async function medians(
  runs: Readonly<Record<string, () => Promise<number>>>,
): Promise<Readonly<Record<string, number>>> {
  const seen = new Map<string, number[]>()
  for (let round = 0; round < rounds; round++) {
    for (const [name, run] of Object.entries(runs)) {
      try {
        seen.set(name, [...(seen.get(name) ?? []), await run()])
      } catch (error) {
        if (!(name in libraries)) throw error
        console.error(`${name} does not run here: ${error instanceof Error ? error.message : String(error)}`)
      }
    }
  }
  return Object.fromEntries([...seen].map(([name, values]) => [name, quantile(values, 0.5)]))
}

const figures: Figure[] = []
for (const delayMs of [0, 20]) {
  server.delay(delayMs)
  const single: { rate?: number } = {}
  for (const [label, size, lanes] of [
    ['one by one', 1, 1],
    ['4 lanes side by side', 1, 4],
    ...sizes.map((one) => [`bundles of ${one}`, one, 1] as const),
  ] as const) {
    const count = amount(size, delayMs)
    let excess = 1
    const rates = await medians({
      ours: async () => {
        const { rate, excess: more } = await ours(count, size, lanes)
        excess = Math.max(excess, more)
        return rate
      },
      [carefulName]: () => carefulLoop(careful, stored, { count, size, callers: lanes }),
      ...Object.fromEntries(
        [...Object.entries(limits), ...Object.entries(libraries)].map(([name, post]) => [
          name,
          () => limitLoop(post, stored, { count, size, callers: lanes }),
        ]),
      ),
    })
    const { ours: rate = Number.NaN } = rates
    if (label === 'one by one') single.rate = rate
    const shared = { bench: 'delivery', unit: '/s', ours: rate }
    const what = `${label}, answers after ${delayMs} ms`
    for (const [name, peer] of Object.entries(rates)) {
      if (name === 'ours') continue
      // Both have the target: the loop that knows what it has delivered, and the limit, which does not.
      const isMeasure = name === carefulName || name === limitName
      const target = isMeasure ? { target: delayMs === 0 ? 0.7 : 0.85 } : {}
      figures.push({ ...shared, case: what, peer, peerName: name, ...target })
    }
    const bare = rates[limitName]
    if (label === 'one by one' && bare !== undefined) {
      const peer = rates['undici.request, limit'] ?? Number.NaN
      figures.push({
        bench: 'delivery',
        unit: '/s',
        case: `Node sender, answers after ${delayMs} ms`,
        ours: bare,
        peer,
        peerName: 'undici.request',
        target: 0.9,
      })
    }
    if (size === 100 && single.rate !== undefined) {
      figures.push({
        ...shared,
        case: what,
        peer: single.rate,
        peerName: 'our own single POSTs',
        target: delayMs === 0 ? 8 : 80,
      })
    }
    figures.push({
      bench: 'delivery',
      unit: 'x',
      case: `requests over the fewest possible, ${what}`,
      ours: excess,
      target: 1.05,
      sense: 'at-most',
    })
  }
}
print(figures, json)
await bareSender.close()
await agent.close()
await server.close()
