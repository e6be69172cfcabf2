import { keysInUse } from '@fhir-outbox/envelope-crypto'
import { sealedRecords } from '@fhir-outbox/queue-core'
import { deleteDeviceKey, deviceKeys, newDeviceKey } from './device-keys.js'
import type { Session } from './session.js'
import { allStores } from './store-name.js'

/** Whether readings wait sealed or as they are. The address says it; this is for the next visit. */
export type Keeping = 'sealed' | 'plain'

const setting = 'fhir-outbox-demo-keeping'

export function rememberedKeeping(): Keeping | undefined {
  const value = localStorage.getItem(setting)
  return value === 'sealed' || value === 'plain' ? value : undefined
}

export function rememberKeeping(keeping: Keeping): void {
  localStorage.setItem(setting, keeping)
}

/** The address of the same screen with the other outbox. */
export function addressWith(keeping: Keeping, page: URL): string {
  const url = new URL(page)
  url.searchParams.delete('sealed')
  if (keeping === 'sealed') url.searchParams.set('sealed', '')
  return url.href.replace(/([?&])sealed=(?=&|#|$)/, '$1sealed')
}

/** A key and how many records of this outbox need it. */
export interface KeyUse {
  readonly keyId: string
  readonly current: boolean
  readonly records: number
}

export async function keyUses({ records }: Session): Promise<readonly KeyUse[]> {
  const [keys, counts] = await Promise.all([deviceKeys(), keysInUse(sealedRecords(records))])
  return keys.map(({ keyId }, index) => ({ keyId, current: index === 0, records: counts.get(keyId) ?? 0 }))
}

export const deleteKey: (keyId: string) => Promise<void> = deleteDeviceKey

/** Nobody else seals meanwhile; ends with a fresh page. */
async function changeKeys({ queue, keyRoom }: Session, work: () => Promise<void>): Promise<void> {
  await queue.close()
  await keyRoom?.workAlone(work)
  location.reload()
}

/** Seals with a new key from now on. What is sealed already keeps its key. */
export function changeKey(session: Session): Promise<void> {
  return changeKeys(session, () => newDeviceKey({ only: false }))
}

/** Deletes all keys of this browser and with them every sealed outbox. */
export function forgetKeys(session: Session): Promise<void> {
  return changeKeys(session, async () => {
    // Keys first: should this be interrupted, nobody can read what is left.
    await newDeviceKey({ only: true })
    for (const [name, { sealed }] of await allStores()) if (sealed) await deleteDatabase(name)
  })
}

function deleteDatabase(name: string): Promise<void> {
  const request = indexedDB.deleteDatabase(name)
  return new Promise((resolve, reject) => {
    request.addEventListener('success', () => resolve())
    request.addEventListener('error', () => reject(request.error))
  })
}
