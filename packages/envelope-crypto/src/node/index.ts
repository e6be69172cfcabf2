export { createKeyFile, keyFromEnvironment, keyFromFile } from './key-file.js'
