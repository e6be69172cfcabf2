import type { Command } from 'commander'

/** What a person would type, by command. */
const examples: Readonly<Record<string, readonly string[]>> = {
  send: [
    'fhir-outbox send reading.json --server https://fhir.example.org/r4',
    'fhir-outbox send readings.ndjson --dry-run',
    'device-program | fhir-outbox send - --wait 5',
  ],
  run: ['fhir-outbox run --config /etc/fhir-outbox.json', 'fhir-outbox run --json | tee -a outbox.events'],
  flush: ['fhir-outbox flush --wait 600'],
  doctor: ['fhir-outbox doctor --types Observation,Patient', 'fhir-outbox doctor --try'],
  status: ['fhir-outbox status --json'],
  fsck: ['fhir-outbox fsck --directory /var/lib/fhir-outbox'],
  list: ['fhir-outbox list --state waiting --limit 10', 'fhir-outbox list --state dead --json'],
  show: ['fhir-outbox show 17', 'fhir-outbox show 17 --content'],
  explain: ['fhir-outbox explain 17'],
  receipts: ['fhir-outbox receipts --limit 1000000 --json > receipts.ndjson'],
  'dead-letters': ['fhir-outbox dead-letters'],
  'dead-letters list': ['fhir-outbox dead-letters list --json'],
  'dead-letters redrive': ['fhir-outbox dead-letters redrive 17 18 --reason "the scope is there now"'],
  'dead-letters discard': ['fhir-outbox dead-letters discard 17 --reason "a test patient" --actor ada'],
  'dead-letters assume-delivered': [
    'fhir-outbox dead-letters assume-delivered 17 --reason "seen at the server"',
  ],
  withdraw: ['fhir-outbox withdraw 17 --reason "the server will never take it"'],
  keys: ['fhir-outbox keys generate', 'fhir-outbox keys show'],
  'keys generate': [
    'fhir-outbox keys generate receiver-keys --curve P-384',
    'fhir-outbox keys generate --records /etc/fhir-outbox/records.key',
  ],
  'keys rotate': ['fhir-outbox keys rotate receiver-keys'],
  'keys show': [
    'fhir-outbox keys show receiver-keys',
    'fhir-outbox keys show --records --config /etc/fhir-outbox.json',
  ],
  login: ['fhir-outbox login --server https://fhir.example.org/r4 --browser'],
  logout: ['fhir-outbox logout --server https://fhir.example.org/r4'],
  register: ['fhir-outbox register --server https://fhir.example.org/r4 --scope "system/Observation.c"'],
  whoami: ['fhir-outbox whoami'],
  demo: ['fhir-outbox demo --seed 7'],
}

/** Ends the help of every command with examples, and every error with the help to read. */
export function addHelp(root: Command): void {
  for (const command of root.commands) addHelpTo(command, command.name())
}

function addHelpTo(command: Command, path: string): void {
  command.showHelpAfterError(`Try "fhir-outbox ${path} --help".`)
  const lines = examples[path]?.map((line) => `  ${line}`)
  if (lines !== undefined) {
    command.addHelpText('after', ['\nExamples:', ...lines, '\nExit codes: fhir-outbox --help'].join('\n'))
  }
  for (const child of command.commands) addHelpTo(child, `${path} ${child.name()}`)
}
