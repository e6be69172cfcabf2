import { exitCodes, type ExitCode } from './exit-codes.js'

/** Every code that the agent itself fails with; the packages' codes pass through. */
export type AgentErrorCode =
  | 'ERR_BAD_CONFIG'
  | 'ERR_BAD_INPUT'
  | 'ERR_UNREADABLE_FILE'
  | 'ERR_BAD_CERTIFICATE'
  | 'ERR_BAD_SEALING_KEY'
  | 'ERR_INVALID_KEY'
  | 'ERR_BAD_DIRECTORY'
  | 'ERR_DEMO_FAILED'
  | 'ERR_NO_SUCH_ENTRY'
  | 'ERR_STORAGE_LOCKED'

/** One clear sentence, the way out, and the exit code. */
export class AgentError extends Error {
  override readonly name = 'AgentError'
  readonly code: AgentErrorCode
  readonly hint: string

  constructor(code: AgentErrorCode, message: string, options: { hint: string; cause?: unknown }) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.code = code
    this.hint = options.hint
  }
}

const exitCodeOf: Readonly<Record<string, ExitCode>> = {
  ERR_BAD_CONFIG: exitCodes.usage,
  ERR_NO_SUCH_ENTRY: exitCodes.usage,
  ERR_WRONG_STATE: exitCodes.usage,
  ERR_INVALID_URL: exitCodes.usage,
  ERR_INSECURE_URL: exitCodes.usage,
  ERR_INVALID_OPTION: exitCodes.usage,
  ERR_INVALID_OPTIONS: exitCodes.usage,
  ERR_WRONG_ORIGIN: exitCodes.usage,
  ERR_MOCK_OPTIONS: exitCodes.usage,
  ERR_MOCK_LISTEN: exitCodes.usage,
  ERR_BAD_INPUT: exitCodes.badInput,
  ERR_UNREADABLE_FILE: exitCodes.badInput,
  ERR_INVALID_RESOURCE: exitCodes.badInput,
  ERR_INVALID_BUNDLE: exitCodes.badInput,
  ERR_INVALID_READING: exitCodes.badInput,
  ERR_CANNOT_ENCRYPT: exitCodes.badInput,
  ERR_INVALID_ENTRY: exitCodes.badInput,
  ERR_ENTRY_TOO_LARGE: exitCodes.badInput,
  ERR_STORAGE_FAILED: exitCodes.storage,
  ERR_STORAGE_FORMAT: exitCodes.storage,
  ERR_QUEUE_FULL: exitCodes.storage,
  ERR_BAD_DIRECTORY: exitCodes.storage,
  ERR_CREDENTIALS_UNREADABLE: exitCodes.storage,
  ERR_CREDENTIALS_UNWRITABLE: exitCodes.storage,
  ERR_STORAGE_LOCKED: exitCodes.locked,
  ERR_LOGIN_REQUIRED: exitCodes.credentials,
  ERR_UNAUTHORIZED: exitCodes.credentials,
  ERR_REGISTRATION_FAILED: exitCodes.credentials,
  ERR_CALLBACK_REFUSED: exitCodes.credentials,
  ERR_AUTHORIZATION_REFUSED: exitCodes.credentials,
  ERR_ID_TOKEN_REFUSED: exitCodes.credentials,
  ERR_NO_SINGLE_PATIENT: exitCodes.credentials,
  ERR_INVALID_KEY: exitCodes.credentials,
  ERR_DISCOVERY_FAILED: exitCodes.credentials,
  ERR_BAD_CERTIFICATE: exitCodes.credentials,
  ERR_CERTIFICATE_EXPIRED: exitCodes.credentials,
  ERR_BAD_SEALING_KEY: exitCodes.credentials,
  ERR_KEY_LOCKED: exitCodes.credentials,
  ERR_AUTH_UNREACHABLE: exitCodes.unreachable,
  ERR_KEYS_UNREACHABLE: exitCodes.unreachable,
  ERR_EMPTY_KEY_ID: exitCodes.usage,
  ERR_INVALID_KEY_ID: exitCodes.usage,
}

/** The exit code for an error of any package, by its `code`. */
export function exitCodeFor(code: string | undefined): ExitCode {
  return (code === undefined ? undefined : exitCodeOf[code]) ?? exitCodes.unexpected
}
