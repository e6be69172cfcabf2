import { isLease, type Lease, type LeasedEntry, type NothingReady } from '@fhir-outbox/queue-core'
import { runStorageContract, type StorageContract } from '@fhir-outbox/queue-core/storage-contract'

/** Runs the contract, or a part of it, with a runner of its own; returns the titles of the failing tests. */
export async function failures(
  contract: Omit<StorageContract, 'runner' | 'name'>,
  wanted: (title: string) => boolean = () => true,
): Promise<string[]> {
  const tests: [string, () => Promise<void>][] = []
  runStorageContract({
    ...contract,
    name: 'under test',
    runner: {
      describe: (_name, body) => body(),
      it: (name, body) => tests.push([name, body]),
    },
  })
  const failed: string[] = []
  for (const [name, body] of tests.filter(([title]) => wanted(title))) {
    await body().catch(() => failed.push(name))
  }
  return failed
}

/** Gives others a turn: what a wrong adapter does late. */
export function turn(): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, 0)
  })
}

/** The answer of `lease`, with its entries changed. */
export async function changeLease(
  answering: Promise<Lease | NothingReady>,
  change: (entry: LeasedEntry) => LeasedEntry,
): Promise<Lease | NothingReady> {
  const answer = await answering
  return isLease(answer) ? { ...answer, entries: answer.entries.map(change) } : answer
}
