import type { RecordCipher } from '@fhir-outbox/queue-core'

/** AES-256-GCM with a key that can be locked: enough of a cipher for tests. */
export interface TestCipher extends RecordCipher {
  locked: boolean
  calls: number
}

/** No secret at all, but it answers at once and refuses what was changed. */
export function atOnceCipher(overrides: Partial<RecordCipher> = {}): RecordCipher {
  function checkOf(record: Uint8Array, associatedData: Uint8Array): number {
    let check = 0x811c9dc5
    for (const bytes of [associatedData, record]) {
      for (const byte of bytes) check = Math.imul(check ^ byte, 0x01000193)
    }
    return check >>> 0
  }
  return {
    readsAtOnce: true,
    encrypt(record, associatedData) {
      const sealed = new Uint8Array(4 + record.length)
      new DataView(sealed.buffer).setUint32(0, checkOf(record, associatedData))
      sealed.set(
        record.map((byte) => byte ^ 0x5a),
        4,
      )
      return sealed
    },
    decrypt(sealed, associatedData) {
      const record = sealed.slice(4).map((byte) => byte ^ 0x5a)
      const check = new DataView(sealed.buffer, sealed.byteOffset).getUint32(0)
      if (check === checkOf(record, associatedData)) return record
      throw new Error('changed')
    },
    ...overrides,
  }
}

export function aesCipher(secret = 7): TestCipher {
  const key = crypto.subtle.importKey('raw', new Uint8Array(32).fill(secret), 'AES-GCM', false, [
    'encrypt',
    'decrypt',
  ])
  const cipher: TestCipher = {
    locked: false,
    calls: 0,
    async encrypt(record, associatedData) {
      unlocked()
      const iv = crypto.getRandomValues(new Uint8Array(12))
      const parameters = { name: 'AES-GCM', iv, additionalData: associatedData.slice() }
      const sealed = new Uint8Array(await crypto.subtle.encrypt(parameters, await key, record.slice()))
      const whole = new Uint8Array(12 + sealed.length)
      whole.set(iv)
      whole.set(sealed, 12)
      return whole
    },
    async decrypt(record, associatedData) {
      unlocked()
      const parameters = { name: 'AES-GCM', iv: record.slice(0, 12), additionalData: associatedData.slice() }
      return new Uint8Array(await crypto.subtle.decrypt(parameters, await key, record.slice(12)))
    },
  }
  function unlocked(): void {
    cipher.calls++
    if (cipher.locked) throw Object.assign(new Error('locked'), { code: 'ERR_KEY_LOCKED' })
  }
  return cipher
}
