/**
 * Starts the service worker and resolves when it answers this page's requests. `undefined`: this browser or
 * address has none, and so no demo server and no start without a network.
 */
export async function startWorker(): Promise<ServiceWorker | undefined> {
  const container: ServiceWorkerContainer | undefined = globalThis.navigator.serviceWorker
  if (container === undefined) return undefined
  const registering = container.register('./service-worker.js', { scope: './', updateViaCache: 'none' })
  if (container.controller !== null) {
    // It is there already. Looking for a newer one takes a second or two, for which nobody need wait.
    registering.catch(() => undefined)
    return container.controller
  }
  await registering
  const { active } = await container.ready
  if (container.controller !== null) return container.controller
  return await new Promise((resolve) => {
    container.addEventListener('controllerchange', () => resolve(container.controller ?? undefined), {
      once: true,
    })
    // A forced reload leaves a page without its service worker.
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a worker has none
    active?.postMessage('claim')
    if (container.controller !== null) resolve(container.controller)
  })
}
