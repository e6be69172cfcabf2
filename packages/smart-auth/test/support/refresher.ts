// A process of its own: takes the stored session, says that it is ready, and asks for a new token on a word.
import { restoreSession } from '@fhir-outbox/smart-auth'
import { fileSecretStore, keyFromFile } from '@fhir-outbox/smart-auth/node'

const [directory = '', key = '', fhirBaseUrl = '', rejected = ''] = process.argv.slice(2)
const store = fileSecretStore({ directory, key: keyFromFile(key) })
const session = await restoreSession({ store, fhirBaseUrl })
if (session === undefined) throw new Error('no session is stored')
process.stdout.write('ready\n')
await new Promise((resolve) => process.stdin.once('data', resolve))
const { value } = await session.getToken({ url: fhirBaseUrl, rejected })
process.stdout.write(`${value}\n`)
process.stdin.pause()
