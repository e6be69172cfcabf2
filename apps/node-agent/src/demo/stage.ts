import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createFhirClient } from '@fhir-outbox/fhir-client'
import { createMockServer, type MockServer, type Resource } from '@fhir-outbox/mock-server'
import { parseNote, type EntrySummary } from '@fhir-outbox/queue-core'
import { clientCredentials } from '@fhir-outbox/smart-auth'
import { AgentError } from '../agent-error.js'
import { dropFile, dropFolderOf } from '../drop-folder.js'
import { openStorage } from '../queue/open.js'
import { startAgent, type Agent, type AgentEvent } from './child.js'
import type { ServerContent } from './count.js'
import type { Happening } from './day.js'

/** One delivered resource as the server has it, and what its delivery left. */
export interface Sample {
  readonly resource: Resource
  readonly receipt: unknown
}

/** The mock server, the agent process, and everything that can be done to them. */
export interface Stage {
  readonly url: string
  /** Starts the agent; `lost` is how many entries it had accepted and does not know any more. */
  startAgent(): Promise<{ readonly lost: number }>
  killAgent(): Promise<void>
  cutNetwork(): Promise<void>
  restoreNetwork(): Promise<void>
  /**
   * The reply to a write that is still to come does not arrive, though the server has committed: the connection ends,
   * or it is so slow that the agent dies before.
   */
  loseReply(options: LostReply): { committed(): Promise<void> }
  /** How many replies were lost so far. */
  repliesLost(): number
  expireTokens(): void
  /** Puts happenings into the drop folder, in order. */
  hand(happenings: readonly Happening[]): Promise<void>
  handed(): number
  happenings(): readonly Happening[]
  /** Waits until the agent has said "accepted" to everything; how many it then said are waiting. */
  allAccepted(): Promise<number>
  allDelivered(): Promise<void>
  /** Stops the agent in good order and looks at what it left. */
  end(): Promise<{
    readonly dead: number
    /** Entries that the server turned out to have already when they were sent again. */
    readonly alreadyThere: number
    readonly sample?: Sample
  }>
  /** Reads everything back over HTTP. */
  readServer(): Promise<ServerContent>
  close(): Promise<void>
}

/** Which reply is lost, and how. */
export interface LostReply {
  readonly to: 'transaction' | 'envelope'
  /** How many of them are answered before. */
  readonly after: number
  readonly by: 'cut' | 'slowness'
}

const cutReply = { kind: 'cut-after' } as const
/** A byte a minute. Needs an answer with a body: transactions have one, envelopes may not. */
const slowReply = { kind: 'drip', bytes: 1, everyMs: 60_000 } as const

const patienceMs = 45_000

const urlOf: Readonly<Record<LostReply['to'], RegExp>> = { transaction: /^\/fhir\/?$/, envelope: /encfhir/ }

export async function openStage(home: string, seed: number, signal: AbortSignal): Promise<Stage> {
  const mock = createMockServer({ seed })
  const listening = await mock.listen()
  const { url } = listening
  const fhirUrl = `${url}/fhir`
  const config = await writeConfig(home, url, mock)

  const happenings: Happening[] = []
  const acceptedFiles = new Set<string>()
  const delivered = new Map<number, Record<string, unknown>>()
  let agent: Agent | undefined
  let changed: () => void = () => undefined

  function notice(event: AgentEvent): void {
    if (event.event === 'accepted') acceptedFiles.add(String(event['file']))
    if (event.event === 'delivered') delivered.set(Number(event['sequence']), event)
    changed()
  }

  /** Waits for a fact about the agent or the server, looking again whenever something happened. */
  async function until(what: string, fact: () => boolean): Promise<void> {
    const limit = Date.now() + patienceMs
    while (!fact()) {
      signal.throwIfAborted()
      if (Date.now() > limit) {
        throw new AgentError('ERR_DEMO_FAILED', `The demo waited in vain: ${what}.`, {
          hint: 'A very slow machine? Please report it.',
        })
      }
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, 20)
        changed = () => {
          clearTimeout(timer)
          resolve()
        }
      })
    }
  }

  const stage: Stage = {
    url,
    async startAgent() {
      let opened: AgentEvent | undefined
      agent = startAgent(['--config', config], (event) => {
        if (event.event === 'opened') opened = event
        notice(event)
      })
      await until('the agent starts', () => opened !== undefined)
      return { lost: Math.max(0, acceptedFiles.size - Number(opened?.['accepted'])) }
    },
    async killAgent() {
      await agent?.kill()
      agent = undefined
    },
    cutNetwork: () => listening.pause(),
    restoreNetwork: () => listening.resume(),
    loseReply({ to, after, by }) {
      const fault = by === 'cut' ? cutReply : slowReply
      mock.faults.add({ method: 'POST', url: urlOf[to], skip: after, fault })
      const lost = this.repliesLost()
      return { committed: () => until('the server has committed', () => this.repliesLost() > lost) }
    },
    repliesLost: () =>
      mock.log.filter(({ faults, status }) => faults.length > 0 && status !== undefined).length,
    expireTokens: () => mock.state.expireTokens(),
    async hand(some) {
      for (const happening of some) {
        happenings.push(happening)
        await dropFile(dropFolderOf({ directory: home }), happening.json)
      }
    },
    handed: () => happenings.length,
    happenings: () => happenings,
    async allAccepted() {
      await until('everything is accepted', () => acceptedFiles.size === happenings.length)
      return happenings.length - delivered.size
    },
    allDelivered: () =>
      until(
        'everything is delivered',
        () => acceptedFiles.size === happenings.length && delivered.size === happenings.length,
      ),
    async end() {
      await agent?.stop()
      agent = undefined
      const storage = await openStorage({ directory: home })
      const { dead } = await storage.stats()
      const settled = await storage.list({ state: 'delivered', limit: happenings.length })
      await storage.close()
      const receipt = [...delivered.values()].at(-1)?.['receipt']
      // The last measurement, and the receipt of the last delivery: they belong together.
      const last = happenings.at(-1)?.parts.find(({ resource }) => 'valueQuantity' in resource)?.resource
      const name = JSON.stringify(last?.['identifier'])
      const resource = mock.state
        .resources('Observation')
        .find(({ identifier }) => JSON.stringify(identifier) === name)
      return {
        dead,
        alreadyThere:
          settled.filter(wasAlreadyThere).length +
          mock.state.c3pro.received.filter(({ outcome }) => outcome === 'duplicate').length,
        ...(resource === undefined ? {} : { sample: { resource, receipt } }),
      }
    },
    async readServer() {
      mock.state.addClient({ clientId: 'auditor', secret: 'auditor', scope: 'system/*.read' })
      const tokens = clientCredentials({ fhirBaseUrl: fhirUrl, clientId: 'auditor', clientSecret: 'auditor' })
      const client = createFhirClient({ baseUrl: fhirUrl, tokens })
      const types = new Set(mock.state.commits.map(({ type }) => type))
      const byType = new Map<string, Resource[]>()
      for (const type of types) {
        const found: Resource[] = []
        for await (const page of client.pages<Resource>(type, { _count: '100' })) found.push(...page.matches)
        byType.set(type, found)
      }
      return { byType, commits: mock.state.commits }
    },
    async close() {
      await agent?.kill()
      await listening.close()
    },
  }
  return stage
}

const receipt = Buffer.from('made-up receipt of the demo phone').toString('base64')
const antispam = 'demo'

/** Settings as a person would write them: registration by key, envelopes by a phone with a receipt. */
async function writeConfig(home: string, url: string, mock: MockServer): Promise<string> {
  const { c3pro } = mock.state
  mock.state.addReceipt(receipt)
  mock.state.addAntispam(antispam)
  const config = {
    server: `${url}/fhir`,
    directory: '.',
    canaries: true,
    auth: { type: 'register', clientName: 'Demo gateway', scope: 'system/*.*' },
    encryption: {
      url: `${url}/c3pro/encfhir`,
      certificate: 'recipient.pem',
      keyId: c3pro.keyId,
      types: ['QuestionnaireResponse'],
      receiver: 'deduplicates',
      auth: {
        type: 'receipt',
        registrationUrl: `${url}/c3pro/register`,
        tokenUrl: `${url}/c3pro/oauth`,
        receiptFile: 'receipt.txt',
        antispamFile: 'antispam.txt',
      },
    },
  }
  await writeFile(join(home, 'recipient.pem'), await c3pro.certificatePem())
  await writeFile(join(home, 'receipt.txt'), receipt, { mode: 0o600 })
  await writeFile(join(home, 'antispam.txt'), antispam, { mode: 0o600 })
  const path = join(home, 'config.json')
  await writeFile(path, JSON.stringify(config, null, 2))
  return path
}

function wasAlreadyThere({ note }: EntrySummary): boolean {
  const parsed = parseNote(note)
  return parsed?.kind === 'receipt' && parsed.receipt['alreadyThere'] === true
}
