import { AuthError } from './errors.js'
import type { RegistrationMethod } from './registration-method.js'

export interface AppStoreReceiptOptions {
  /** Reads the App Store receipt, base64; an empty text when there is none. Called before each registration. */
  readonly receipt: () => Promise<string>
  /** Has the system fetch a new receipt. Called once when there is none; then the receipt is read again. */
  readonly refresh?: () => Promise<void>
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
      let receipt = await readReceipt(options)
      if (receipt === '' && options.refresh !== undefined) {
        await options.refresh()
        receipt = await readReceipt(options)
      }
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

async function readReceipt(options: AppStoreReceiptOptions): Promise<string> {
  return (await options.receipt()).replaceAll(/\s+/g, '')
}
