import type { StoredClient } from '../credential-store.js'
import { deleteRegistration } from '../manage-registration.js'
import type { ConnectionOptions } from '../types.js'

/** Deletes a stored client's registration at the server, when the server gave the means and takes it. */
export async function deleteStoredRegistration(
  { registrationClientUri, registrationAccessToken }: StoredClient,
  connection: ConnectionOptions,
): Promise<'deleted' | 'left'> {
  if (registrationClientUri === undefined || registrationAccessToken === undefined) return 'left'
  try {
    await deleteRegistration({ registrationClientUri, registrationAccessToken }, connection)
    return 'deleted'
  } catch {
    return 'left'
  }
}
