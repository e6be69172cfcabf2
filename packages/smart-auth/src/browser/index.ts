export { openBrowserStore, type BrowserStore, type BrowserStoreOptions } from './browser-store.js'
export { leaveForLogin, returnFromLogin } from './page-launch.js'
