import { deleteDB } from 'idb'
import { afterEach, describe, expect, it } from 'vitest'
import { runIndexedDbContract } from './idb-contract.js'
import { openIndexedDbSpike } from './indexed-db/storage.js'
import { ordersOf, reportsOf, type Order, type Report } from './tab-messages.js'

runIndexedDbContract('in a real browser', navigator.locks)

describe('IndexedDB spike, two tabs', () => {
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
    const told: Report[] = []
    let look = (): void => undefined
    reports.addEventListener('message', ({ data }: MessageEvent<Report>) => {
      told.push(data)
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
      told.filter((one) => one.from === from && one.did === did)
    const sequencesOf = (all: readonly Report[]): number[] =>
      all.flatMap((one) => ('sequences' in one ? one.sequences : 'sequence' in one ? [one.sequence] : []))
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a BroadcastChannel has none
    const order = (message: Order): void => orders.postMessage(message)
    const openTab = async (name: string): Promise<Window> => {
      const address = new URL(
        `${location.origin}/packages/queue-core/test/spikes/tab.xhtml#${database}/${name}`,
      )
      const tab = window.open(address)
      if (tab === null) throw new Error('the browser opened no tab')
      tabs.push(tab)
      await until(() => by(name, 'opened').length > 0)
      return tab
    }

    const first = await openTab('first')
    await openTab('second')
    for (const lane of ['a', 'b']) {
      order({ to: 'first', do: 'append', lane, count: 10 })
      order({ to: 'second', do: 'append', lane, count: 10 })
    }
    await until(() => by('first', 'delivered').length === 40)
    const early = sequencesOf(told.filter(({ did }) => did === 'appended'))
    expect(new Set(early).size).toBe(40)
    expect(by('second', 'delivered')).toEqual([])

    order({ to: 'first', do: 'hang' })
    order({ to: 'second', do: 'append', lane: 'a', count: 10 })
    await until(() => by('first', 'hung').length > 0 && by('second', 'appended').length === 30)
    expect(by('second', 'delivered')).toEqual([])
    first.close()
    await until(() => by('second', 'delivered').length + by('second', 'resolved').length === 10)
    // What the dead tab had marked may have arrived: it is resolved, never simply sent, and goes first.
    expect(sequencesOf(by('second', 'resolved'))).toEqual(sequencesOf(by('first', 'hung')))

    for (const lane of ['a', 'b']) {
      const sent = told.filter((one) => 'lane' in one && one.lane === lane && one.did !== 'hung')
      const sequences = sequencesOf(sent)
      expect(sequences).toEqual(sequences.toSorted((a, b) => a - b))
      expect(new Set(sequences).size).toBe(lane === 'a' ? 30 : 20)
    }
    const judge = await openIndexedDbSpike({ name: database, locks: navigator.locks })
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
})
