/** Starts calls in the order in which they were asked for, however long their preparations take. */
export interface InOrder {
  /** `call` begins when `prepared` is there and every call before this one has begun or failed to. */
  run<Prepared, Answer>(
    prepared: Promise<Prepared>,
    call: (prepared: Prepared) => Promise<Answer>,
  ): Promise<Answer>
}

export function createInOrder(): InOrder {
  let last: Promise<unknown> = Promise.resolve()
  return {
    async run(prepared, call) {
      // Awaited below, but perhaps only after it has failed.
      prepared.catch(() => undefined)
      const before = last
      const begun = (async () => {
        await before
        // Wrapped: the next call need not wait for the answer of this one.
        return { answer: call(await prepared) }
      })()
      last = begun.then(
        ({ answer }) => {
          answer.catch(() => undefined)
        },
        () => undefined,
      )
      return await (
        await begun
      ).answer
    },
  }
}
