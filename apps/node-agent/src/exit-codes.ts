/** What the process tells its caller. Documented in the README and in `fhir-outbox --help`. */
export const exitCodes = {
  ok: 0,
  unexpected: 1,
  usage: 2,
  badInput: 3,
  storage: 4,
  locked: 5,
  credentials: 6,
  waiting: 7,
  rejected: 8,
  unreachable: 9,
} as const

export type ExitCode = (typeof exitCodes)[keyof typeof exitCodes]

/** One line per code, for `--help` and the README. */
export const exitCodeTexts: Readonly<Record<ExitCode, string>> = {
  0: 'done; with send: everything is accepted and durable, and nothing was refused',
  1: 'an unexpected error',
  2: 'a wrong flag, setting or server URL, or a file that a setting names cannot be read',
  3: 'a file that cannot be read or holds no FHIR; nothing was accepted',
  4: 'a directory cannot be used, or the queue is full',
  5: 'another process owns the queue directory',
  6: 'the server refuses the credentials (what was accepted is kept), or a key or certificate cannot be used',
  7: 'flush: entries are still waiting',
  8: 'the server refused an entry; it is kept as a dead letter',
  9: 'doctor, login, register: the server could not be reached, or gave no useful answer; try again',
}
