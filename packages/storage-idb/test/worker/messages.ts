/** The database that the page and the service worker share. */
export const database = 'service-worker'
