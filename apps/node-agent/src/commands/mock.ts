import { runMockCommand } from '@fhir-outbox/mock-server/node'
import { exitCodes, type ExitCode } from '../exit-codes.js'
import type { Console } from '../output/console.js'

/** The mock server's own command, until it is told to stop. */
export async function mock(
  args: readonly string[],
  console: Console,
  signal: AbortSignal,
): Promise<ExitCode> {
  const listening = await runMockCommand(args, (text) => console.out.write(text))
  if (listening === undefined) return exitCodes.ok
  if (!signal.aborted) {
    await new Promise<void>((resolve) => {
      signal.addEventListener('abort', () => resolve(), { once: true })
    })
  }
  await listening.close()
  return exitCodes.ok
}
