import type { Encryption } from '@fhir-outbox/data-queue'

/** What the receivers of this demo do with a reading, which is a transaction whose entries carry their conditions. */
export const receiverHabits = {
  receiverRunsTransactions: true,
  receiver: 'deduplicates',
} as const satisfies Partial<Encryption>
