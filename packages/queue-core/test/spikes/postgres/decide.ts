import { checkDrafts, checkNote, QueueError, type Decision } from '@fhir-outbox/queue-core'
import type { Sql } from './database.js'

/** Checks and copies at once; the returned step does it. */
export function decideOne(sequence: number, decision: Decision): (sql: Sql) => Promise<void> {
  checkNote(decision.note)
  const note = decision.note.slice()
  const { payload, header } = decision.kind === 'redrive' ? decision : {}
  const empty = new Uint8Array(0)
  checkDrafts([{ lane: '', gate: '', key: 'k', header: header ?? empty, payload: payload ?? empty }], 0)
  const [newPayload, newHeader] = [payload?.slice(), header?.slice()]
  return async (sql) => {
    const [lane] = await sql.query(
      'select id from lanes where id = (select lane_id from entries where sequence = $1) for update',
      [sequence],
    )
    if (lane === undefined) {
      throw new QueueError('ERR_NO_SUCH_ENTRY', `there is no entry ${sequence}`, {
        hint: 'List the entries.',
      })
    }
    const [entry] = await sql.query('select state, leased from entries where sequence = $1 for update', [
      sequence,
    ])
    const fits =
      decision.kind === 'withdraw'
        ? entry?.['state'] === 'waiting' && entry['leased'] === false
        : entry?.['state'] === 'dead'
    if (!fits) {
      const hint = 'Read the entry again and decide on what it is now.'
      throw new QueueError('ERR_WRONG_STATE', `entry ${sequence} is not in the right state`, { hint })
    }
    if (decision.kind === 'redrive') {
      await sql.query(
        `update entries set state = 'waiting', dead_reason = null, attempts = 0, due_at = 0, troubled_since = null,
           mark_group = null, mark_info = null, note = $2, payload = coalesce($3::bytea, payload),
           payload_bytes = coalesce(length($3::bytea), payload_bytes), header = coalesce($4::bytea, header)
         where sequence = $1`,
        [sequence, note, newPayload ?? null, newHeader ?? null],
      )
      return
    }
    const state = decision.kind === 'assume-delivered' ? 'delivered' : 'discarded'
    await sql.query(
      'update entries set state = $2, dead_reason = null, note = $3, payload = null where sequence = $1',
      [sequence, state, note],
    )
  }
}
