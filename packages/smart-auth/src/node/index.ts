export { fileSecretStore, type FileSecretStoreOptions } from './file-secret-store.js'
export { loopbackLogin, type LoopbackLoginOptions } from './loopback-login.js'
export { keyFromEnvironment, keyFromFile, type SecretKeySource } from './secret-key.js'
