import { PGlite, type Transaction } from '@electric-sql/pglite'

export type Row = Readonly<Record<string, unknown>>

export interface Sql {
  query(text: string, parameters?: readonly unknown[]): Promise<readonly Row[]>
  /** Several statements, without parameters. */
  script(text: string): Promise<void>
}

/** What the spike needs of a PostgreSQL driver. */
export interface Database extends Sql {
  transaction<Result>(body: (sql: Sql) => Promise<Result>): Promise<Result>
  /** Calls back on every NOTIFY of the channel, from whatever connection. */
  listen(channel: string, listener: () => void): Promise<() => Promise<void>>
}

function sqlOf(connection: PGlite | Transaction): Sql {
  return {
    async query(text, parameters = []) {
      return (await connection.query<Row>(text, [...parameters])).rows
    },
    async script(text) {
      await connection.exec(text)
    },
  }
}

export function pgliteDatabase(pglite: PGlite): Database {
  return {
    ...sqlOf(pglite),
    transaction: (body) => pglite.transaction((transaction) => body(sqlOf(transaction))),
    listen: (channel, listener) => pglite.listen(channel, listener),
  }
}

const bytea = 17
const digits = new TextEncoder().encode('0123456789abcdef')
const values = new Uint8Array(128)
for (const [value, digit] of digits.entries()) values[digit] = value

function hexFrom(bytes: Uint8Array): string {
  const text = new Uint8Array(2 + bytes.length * 2)
  text.set([92, 120]) // \x
  for (let at = 0; at < bytes.length; at++) {
    const byte = bytes[at] ?? 0
    text[2 + at * 2] = digits[byte >> 4] ?? 0
    text[3 + at * 2] = digits[byte & 15] ?? 0
  }
  return new TextDecoder().decode(text)
}

function bytesFrom(text: string): Uint8Array {
  const bytes = new Uint8Array((text.length - 2) / 2)
  for (let at = 0; at < bytes.length; at++) {
    const high = values[text.charCodeAt(2 + at * 2)] ?? 0
    bytes[at] = high * 16 + (values[text.charCodeAt(3 + at * 2)] ?? 0)
  }
  return bytes
}

/** PGlite's own conversion of bytes takes 20 seconds for 16 MiB; this one takes less than one. */
export function createPglite(): Promise<PGlite> {
  return PGlite.create({ parsers: { [bytea]: bytesFrom }, serializers: { [bytea]: hexFrom } })
}
