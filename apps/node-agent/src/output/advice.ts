import { exitCodeFor } from '../agent-error.js'
import { exitCodes } from '../exit-codes.js'

const advice: Readonly<Record<string, string>> = {
  ERR_DNS: 'The name of the server is not known here: wait for the network, or correct the URL.',
  ERR_CONNECT: 'Nobody answers at that address: wait for the server or the network, or correct the URL.',
  ERR_TLS: 'Check the certificate of the server and the clock of this machine.',
  ERR_REDIRECTED: 'Set the address that the server redirects to as its URL.',
  ERR_NOT_FHIR: 'Something else answers there, such as the login page of a network, or the URL is wrong.',
  ERR_INSECURE_URL: 'Use the https URL of the server.',
  ERR_UNSUPPORTED:
    'Have the server or the scopes changed, or take the entry back with "fhir-outbox withdraw".',
  ERR_UNKNOWN_KEY: 'Give the receiver its key back, or set its current certificate.',
  ERR_AUTH_UNREACHABLE: 'The token server is away: wait, or correct the token URL.',
}

/** What a person can do about a failure; `undefined` when there is nothing but to wait. */
export function adviceFor(code: string): string | undefined {
  if (exitCodeFor(code) === exitCodes.credentials)
    return 'Correct the credentials; everything that waits is kept.'
  return advice[code]
}
