import { parseTroubles, type Trouble } from './troubles.js'

/** The troubles of the mock server, as every tab sees them. */
export interface TroubleSwitches {
  read(): Promise<readonly Trouble[]>
  set(trouble: Trouble, on: boolean): Promise<readonly Trouble[]>
  /** Calls back when another tab has changed them. Returns the way to stop. */
  watch(listener: (troubles: readonly Trouble[]) => void): () => void
}

export function troubleSwitches(root: string): TroubleSwitches {
  const url = new URL('mock/troubles', root).href
  const channel = new BroadcastChannel('fhir-outbox-demo-troubles')

  async function ask(init?: RequestInit): Promise<readonly Trouble[]> {
    const response = await fetch(url, init)
    if (!response.ok) throw new Error(`The demo server answered ${response.status}.`)
    return parseTroubles(await response.json())
  }

  return {
    read: () => ask(),
    async set(trouble, on) {
      const others = (await ask()).filter((other) => other !== trouble)
      const body = JSON.stringify(on ? [...others, trouble] : others)
      const troubles = await ask({ method: 'PUT', headers: { 'content-type': 'application/json' }, body })
      // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a BroadcastChannel has none
      channel.postMessage(troubles)
      return troubles
    },
    watch(listener) {
      const heard = ({ data }: MessageEvent<unknown>): void => listener(parseTroubles(data))
      channel.addEventListener('message', heard)
      return () => channel.removeEventListener('message', heard)
    },
  }
}
