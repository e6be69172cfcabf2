import type { Failure } from '@fhir-outbox/queue-core'
import { exitCodeFor } from '../agent-error.js'
import { exitCodes } from '../exit-codes.js'

const byCode: Readonly<Record<string, string>> = {
  ERR_DNS: 'The name of the server is not known here: wait for the network, or correct the URL.',
  ERR_CONNECT: 'Nobody answers at that address: wait for the server or the network, or correct the URL.',
  ERR_NETWORK: 'The connection broke: wait for the network, or look whether the server is up.',
  ERR_TIMEOUT: 'The server takes too long: look whether it is up and not overloaded.',
  ERR_TRUNCATED: 'The connection broke: wait for the network, or look whether the server is up.',
  ERR_TLS: 'Check the certificate of the server and the clock of this machine.',
  ERR_REDIRECTED: 'Set the address that the server redirects to as its URL.',
  ERR_NOT_FHIR: 'Something else answers there, such as the login page of a network, or the URL is wrong.',
  ERR_RESPONSE_TOO_LARGE: 'Something else than a FHIR server may answer there: check the URL.',
  ERR_INSECURE_URL: 'Use the https URL of the server.',
  ERR_INVALID_URL:
    'Deliver with that server as --server again, or take the entry back with "fhir-outbox withdraw".',
  ERR_UNSUPPORTED:
    'Have the server or the scopes changed, or take the entry back with "fhir-outbox withdraw".',
  ERR_UNKNOWN_KEY: 'Give the receiver its key back, or set its current certificate.',
  ERR_AUTH_UNREACHABLE: 'The token server is away: wait, or correct the token URL.',
}

const byStatus: Readonly<Record<number, string>> = {
  400: 'It may be what was sent, or the server itself, as some answer so while their database is away: look into its log.',
  403: 'The client may not do that: have its scopes or its rights widened.',
  404: 'Check the URL of the server: this kind of resource is not known there.',
  413: 'The server takes no resource of this size: have its limit raised.',
  429: 'The server is asked too often: wait.',
  500: 'Look into the log of the server.',
  502: 'The server is being restarted or overloaded: wait.',
  503: 'The server is being restarted or overloaded: wait.',
  504: 'The server is being restarted or overloaded: wait.',
  507: 'The server has no room left.',
}

/** What a person can do about a failure; `undefined` when there is nothing but to wait. */
export function adviceFor({ code, status }: Pick<Failure, 'code' | 'status'>): string | undefined {
  if (exitCodeFor(code) === exitCodes.credentials)
    return 'Correct the credentials; of a person: "fhir-outbox login". Everything that waits is kept.'
  return byCode[code] ?? (status === undefined ? undefined : byStatus[status])
}
