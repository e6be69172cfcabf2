import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { AgentError } from '../agent-error.js'
import { countAtServer, type Count } from '../demo/count.js'
import { dayOfHappenings, noon, type Happening } from '../demo/day.js'
import { patientRecord } from '../demo/patient-record.js'
import { seededRandom } from '../demo/random.js'
import { sampleText } from '../demo/sample.js'
import { openStage, type Stage } from '../demo/stage.js'
import { exitCodes, type ExitCode } from '../exit-codes.js'
import { report, type Console } from '../output/console.js'

export interface DemoOptions {
  readonly seed: number
}

/** The story: what can go wrong in a day of a gateway goes wrong, and then the server is counted. */
export async function demo(options: DemoOptions, console: Console, signal: AbortSignal): Promise<ExitCode> {
  const home = await mkdtemp(join(tmpdir(), 'fhir-outbox-demo-'))
  const stage = await openStage(home, options.seed, signal)
  try {
    return await play(stage, options.seed, console)
  } finally {
    await stage.close()
    await rm(home, { recursive: true, force: true })
  }
}

/** Plays the story on a stage, and counts at the end. Rejects with `ERR_DEMO_FAILED` when the count is not spotless. */
export async function play(stage: Stage, seed: number, console: Console): Promise<ExitCode> {
  const say = (event: string, sentence: string, facts: Record<string, unknown> = {}): void =>
    report(console, event, facts, sentence)
  const random = seededRandom(seed)
  const day = [...dayOfHappenings(random)]
  const record = patientRecord(random)

  say(
    'start',
    `A day of a gateway, against a mock FHIR server at ${stage.url}\n` +
      '  Octets of cuffs, glucometers, scales, thermometers, oximeters, a heart strap.',
    { url: stage.url },
  )
  await stage.startAgent()
  // All but its last reading, which the agent does not survive.
  const morning = day.findLastIndex(({ kind, at }) => kind === 'reading' && at < noon)
  await stage.hand(day.splice(0, morning))
  await stage.allDelivered()
  say('registered', '  The gateway registered by its key, the phone by its receipt; no passwords.')
  say(
    'morning',
    `  Morning: ${stage.handed()} readings and answers accepted, delivered; the answers encrypted.`,
  )

  const slow = stage.loseReply({ to: 'transaction', after: 0, by: 'slowness' })
  await stage.hand(upTo(day, 'reading'))
  await slow.committed()
  await stage.killAgent()
  const first = await stage.startAgent()
  say(
    'killed',
    `  The agent is killed (SIGKILL) before a reply arrives. Reopened: ${first.lost} lost.`,
    first,
  )

  // The last thing that the network carries is a write.
  const cut = stage.loseReply({ to: 'envelope', after: 0, by: 'cut' })
  await stage.hand(upTo(day, 'answers'))
  await cut.committed()
  await stage.cutNetwork()
  await stage.hand([record, ...day.splice(0, 64 - stage.handed())])
  const waiting = await stage.allAccepted()
  say('cut', `  The network is cut: ${waiting} waiting, one of them a patient's complete record.`, {
    waiting,
  })

  const slowToo = stage.loseReply({ to: 'transaction', after: 12, by: 'slowness' })
  await stage.restoreNetwork()
  await slowToo.committed()
  stage.expireTokens()
  await stage.killAgent()
  const second = await stage.startAgent()
  say(
    'killed',
    `  The network is back, every token expires, killed again. Reopened: ${second.lost} lost.`,
    second,
  )

  await stage.hand(day.splice(0))
  await stage.allDelivered()
  const { dead, alreadyThere, sample } = await stage.end()
  const struck = stage.repliesLost()
  say(
    'replies-lost',
    `  ${struck} replies were lost after commit. Asked the server: already there, ${alreadyThere} times.`,
    { struck, alreadyThere },
  )

  const content = await stage.readServer()
  const count = countAtServer(stage.happenings(), content)
  if (sample !== undefined) {
    say('sample', `\n${sampleText(sample)}`, { ...sample })
  }
  say(
    'next',
    '\nTry next:\n' +
      '  npx -y pnpm@10.34.9 mock                 a mock server to send to\n' +
      '  node apps/node-agent/bin/fhir-outbox.js --help',
  )
  return conclude(count, dead, console)
}

/** Takes what happens up to and with the next of a kind. */
function upTo(day: Happening[], wanted: Happening['kind']): readonly Happening[] {
  return day.splice(0, 1 + day.findIndex(({ kind }) => kind === wanted))
}

/** The balance, and exit 0 only if it is spotless as counted at the server. */
function conclude(count: Count, dead: number, console: Console): ExitCode {
  const { accepted, delivered, lost, duplicated, outOfOrder, changed } = count
  report(
    console,
    'balance',
    { ...count, dead },
    `\naccepted=${accepted} delivered=${delivered} dead=${dead} lost=${lost} duplicated=${duplicated} out-of-order=${outOfOrder}`,
  )
  const spotless = accepted === delivered && dead + lost + duplicated + outOfOrder + changed === 0
  if (spotless) return exitCodes.ok
  throw new AgentError(
    'ERR_DEMO_FAILED',
    `The promise was not kept (${changed} resources were changed on the way).`,
    {
      hint: 'Please report this with the seed you used.',
    },
  )
}
