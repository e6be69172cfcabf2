/** Made when somebody signs in for the first time: until then nothing of signing in need be loaded. */
export const loginDatabase = 'fhir-outbox-demo-logins'

export async function hasLogins(): Promise<boolean> {
  return (await indexedDB.databases()).some(({ name }) => name === loginDatabase)
}
