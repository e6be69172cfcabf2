import { isLease, sealStorage } from '@fhir-outbox/queue-core'
import { deleteDB, openDB } from 'idb'
import { afterEach, describe, expect, it } from 'vitest'
import { openIdbStorage } from '../src/index.js'
import { aesCipher } from './support/aes-cipher.js'
import { keyed, leaseFrom, request, told } from './support/tools.js'
import { ordersOf, reportsOf, type Order, type Report } from './tabs/messages.js'

describe('two tabs of a real browser', () => {
  const tabs: Window[] = []
  const channels: BroadcastChannel[] = []
  const databases: string[] = []
  afterEach(async () => {
    for (const tab of tabs.splice(0)) tab.close()
    for (const channel of channels.splice(0)) channel.close()
    for (const database of databases.splice(0)) await deleteDB(database)
  })

  it('both append, one drains, and the other goes on when that one is closed', async () => {
    const database = `tabs-${crypto.randomUUID()}`
    databases.push(database)
    const orders = new BroadcastChannel(ordersOf(database))
    const reports = new BroadcastChannel(reportsOf(database))
    channels.push(orders, reports)
    const heard: Report[] = []
    let look = (): void => undefined
    reports.addEventListener('message', ({ data }: MessageEvent<Report>) => {
      heard.push(data)
      look()
    })
    const until = (condition: () => boolean): Promise<void> =>
      new Promise((resolve) => {
        look = () => {
          if (condition()) resolve()
        }
        look()
      })
    const by = (from: string, did: Report['did']): Report[] =>
      heard.filter((one) => one.from === from && one.did === did)
    const sequencesOf = (all: readonly Report[]): number[] =>
      all.flatMap((one) => ('sequences' in one ? one.sequences : 'sequence' in one ? [one.sequence] : []))
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a BroadcastChannel has none
    const order = (message: Order): void => orders.postMessage(message)
    const openTab = async (name: string): Promise<Window> => {
      const address = new URL(
        `${location.origin}/packages/storage-idb/test/tabs/tab.xhtml#${database}/${name}`,
      )
      const tab = window.open(address)
      if (tab === null) throw new Error('the browser opened no tab')
      tabs.push(tab)
      await until(() => by(name, 'opened').length > 0)
      return tab
    }

    const first = await openTab('first')
    await until(() => by('first', 'draining').length > 0)
    await openTab('second')
    for (const lane of ['a', 'b']) {
      for (const to of ['first', 'second']) order({ to, do: 'append', lane, count: 10 })
    }
    const all = (did: Report['did']): Report[] => heard.filter((one) => one.did === did)
    await until(() => all('delivered').length === 40 && all('appended').length === 40)
    expect(new Set(sequencesOf(all('appended'))).size).toBe(40)
    expect(by('second', 'delivered')).toEqual([])

    order({ to: 'first', do: 'hang' })
    order({ to: 'second', do: 'append', lane: 'a', count: 10 })
    await until(() => by('first', 'hung').length > 0 && by('second', 'appended').length === 30)
    expect(by('second', 'delivered')).toEqual([])
    first.close()
    await until(() => by('second', 'delivered').length + by('second', 'resolved').length === 10)
    // What the dead tab had marked may have arrived: it is resolved, never simply sent, and goes first.
    expect(sequencesOf(by('second', 'resolved'))).toEqual(sequencesOf(by('first', 'hung')))

    expect([by('second', 'draining').length, all('lost').length]).toEqual([1, 0])
    for (const lane of ['a', 'b']) {
      const sent = heard.filter((one) => 'lane' in one && one.lane === lane && one.did !== 'hung')
      const sequences = sequencesOf(sent)
      expect(sequences).toEqual(sequences.toSorted((a, b) => a - b))
      expect(new Set(sequences).size).toBe(lane === 'a' ? 30 : 20)
    }
    const judge = await openIdbStorage({ name: database })
    const settled = new Promise<void>((resolve) => {
      const check = async (): Promise<void> => {
        if ((await judge.stats()).waiting === 0) resolve()
      }
      judge.watch(() => void check())
      void check()
    })
    await settled
    expect(await judge.stats()).toMatchObject({ accepted: 50, delivered: 50, leased: 0, unknown: 0, dead: 0 })
    await judge.close()
  })

  it('a drainer whose lock is stolen can neither mark nor settle, and stands in line again', async () => {
    const name = `stolen-${crypto.randomUUID()}`
    databases.push(name)
    const [robbed, other] = [await openIdbStorage({ name }), await openIdbStorage({ name })]
    await robbed.append(keyed('a', 'b'))
    const lease = await leaseFrom(robbed)
    await robbed.mark(lease, [{ sequence: 1, group: 'g' }])
    expect(await other.lease(request)).toEqual({ elsewhere: true })
    const mine = told(other)
    // The thief lets go at once, so that the next in line takes over: before, after or while the robbed one is told.
    await navigator.locks.request(`fhir-outbox ${name}`, { steal: true }, () => undefined)
    await mine
    const taken = await leaseFrom(other)
    expect(taken.entries).toMatchObject([{ sequence: 1, state: 'unknown', mark: { group: 'g' } }])
    const lost = { code: 'ERR_LEASE_LOST' }
    await expect(robbed.mark(lease, [{ sequence: 2, group: 'late' }])).rejects.toMatchObject(lost)
    await expect(robbed.settle(lease, [{ sequence: 1, outcome: 'delivered' }])).rejects.toMatchObject(lost)
    expect(await robbed.lease(request)).toEqual({ elsewhere: true })
    await other.settle(taken, [{ sequence: 1, outcome: 'delivered' }])
    expect(await robbed.stats()).toMatchObject({ accepted: 2, delivered: 1, waiting: 1, unknown: 0 })
    await robbed.close()
    await other.close()
  })

  it('keeps what is sealed to itself: nothing readable is in the database', async () => {
    const marker = 'Margarethe Mustermann'
    const payload = new TextEncoder().encode(JSON.stringify({ name: marker }))
    const found: Record<string, boolean> = {}
    for (const kind of ['plain', 'sealed']) {
      const name = `scan-${kind}-${crypto.randomUUID()}`
      databases.push(name)
      const below = await openIdbStorage({ name })
      const storage = kind === 'sealed' ? sealStorage(below, aesCipher()) : below
      const draft = { lane: marker, gate: marker, key: marker, header: payload, payload }
      await storage.append([draft, { ...draft, key: `${marker} again` }])
      await storage.notes.put('evidence', payload, 0)
      const lease = await storage.lease({ limit: 9, maxBytes: 1e6, ttlMs: 1e5, closedGates: [] })
      if (!isLease(lease)) throw new Error('nothing was ready')
      await storage.mark(
        lease,
        lease.entries.map(({ sequence }) => ({ sequence, group: 'group', info: payload })),
      )
      await storage.settle(lease, [{ sequence: 1, outcome: 'rejected', note: payload }])
      await storage.close()
      found[kind] = (await everythingIn(name)).includes(marker)
    }
    expect(found).toEqual({ plain: true, sealed: false })
  })

  it('looks for news when the page comes back from the back/forward cache', async () => {
    const name = `back-${crypto.randomUUID()}`
    databases.push(name)
    const storage = await openIdbStorage({ name })
    const news = told(storage)
    dispatchEvent(new PageTransitionEvent('pageshow', { persisted: true }))
    await news
    await storage.close()
  })

  it('says what the browser answers when asked to persist', async () => {
    const name = `persist-${crypto.randomUUID()}`
    databases.push(name)
    const storage = await openIdbStorage({ name })
    expect(storage.supports.evictable).toBe(!(await navigator.storage.persisted()))
    await storage.close()
  })
})

/** All keys and values of a database as text; bytes as the characters that they may be. */
async function everythingIn(name: string): Promise<string> {
  const database = await openDB(name)
  let all = ''
  for (const store of database.objectStoreNames) {
    const [keys, values] = [await database.getAllKeys(store), await database.getAll(store)]
    all += JSON.stringify([keys, values], (_member, value: unknown) => {
      if (value instanceof Map) return [...value]
      return value instanceof Uint8Array ? new TextDecoder().decode(value) : value
    })
  }
  database.close()
  return all
}
