export { fileCredentialStore } from './file-credential-store.js'
