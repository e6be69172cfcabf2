import { AuthError } from './errors.js'
import type { RegistrationMethod } from './registration-method.js'

export interface AppStoreReceiptOptions {
  /** Reads the App Store receipt, base64. Called before each registration; refresh the receipt there if need be. */
  readonly receipt: () => Promise<string>
  /** Whether the receipt is from Apple's sandbox. Default false. */
  readonly sandbox?: boolean
  /** The app's shared secret for the `Antispam` header, raw. */
  readonly antispam?: string | (() => Promise<string>)
}

/**
 * Registration at a C3-PRO server by App Store receipt; the server gives a client id and a secret.
 * Receipt and `Antispam` secret are sent to the registration endpoint only (C3-PRO dynamic registration).
 */
export function appStoreReceipt(options: AppStoreReceiptOptions): RegistrationMethod {
  return {
    profile: 'c3-pro',
    credential: 'secret',
    async prepare() {
      const receipt = (await options.receipt()).replaceAll(/\s+/g, '')
      if (receipt === '') {
        throw new AuthError('ERR_REGISTRATION_FAILED', 'There is no App Store receipt', {
          hint: 'Have the system refresh the receipt, then try again.',
        })
      }
      const { antispam } = options
      const secret = typeof antispam === 'function' ? await antispam() : antispam
      return {
        members: { sandbox: options.sandbox ?? false, 'receipt-data': receipt },
        ...(secret === undefined ? {} : { headers: { Antispam: secret } }),
        secrets: secret === undefined ? [receipt] : [receipt, secret],
      }
    },
  }
}
