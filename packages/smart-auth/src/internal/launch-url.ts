import { AuthError } from '../errors.js'
import { parseFhirBase } from './url.js'

function refused(reason: string): AuthError {
  return new AuthError('ERR_LAUNCH_REFUSED', `The launch ${reason}`, {
    hint: 'Open the app from an EHR that it knows; add the FHIR base URL of a new one to allowedServers.',
  })
}

/** One spelling per server. Undefined for what is no safe FHIR base URL at all. */
function spelling(text: string): string | undefined {
  try {
    return parseFhirBase(text).href.replace(/\/+$/, '')
  } catch {
    return undefined
  }
}

/**
 * The two parameters of an EHR launch; everything else in the address is ignored. The server must be on the list:
 * whoever makes somebody open a link could else choose where the app sends its requests and secrets.
 */
export function readLaunch(
  launchUrl: string,
  allowedServers: readonly string[],
): { iss: string; launch: string } {
  if (!URL.canParse(launchUrl)) throw refused('address is not a URL')
  const { searchParams } = new URL(launchUrl)
  const [iss, ...moreIss] = searchParams.getAll('iss')
  const [launch, ...moreLaunch] = searchParams.getAll('launch')
  if (iss === undefined || launch === undefined || launch === '') throw refused('lacks iss or launch')
  if (moreIss.length > 0 || moreLaunch.length > 0) throw refused('names iss or launch twice')
  const server = spelling(iss)
  // Dot segments are resolved in the spelling, so a path cannot pretend to be below an allowed one.
  if (server === undefined || !allowedServers.some((allowed) => spelling(allowed) === server)) {
    throw refused('comes from a server that is not allowed')
  }
  return { iss, launch }
}
