import { runMockCommand } from './node/command.js'
import { MockServerError } from './errors.js'

try {
  const listening = await runMockCommand(process.argv.slice(2), (text) => void process.stdout.write(text))
  if (listening !== undefined) {
    const stop = (): void => {
      listening.close().then(
        () => process.exit(0),
        () => process.exit(1),
      )
    }
    process.once('SIGINT', stop)
    process.once('SIGTERM', stop)
  }
} catch (error) {
  if (!(error instanceof MockServerError)) throw error
  process.stderr.write(`${error.message} ${error.hint}\n`)
  process.exitCode = 2
}
