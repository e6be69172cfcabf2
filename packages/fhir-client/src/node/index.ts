export { keepAliveSender } from './keep-alive-sender.js'
export type { KeepAliveSender, KeepAliveSenderOptions, TlsOptions } from './keep-alive-sender.js'
