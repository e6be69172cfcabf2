/** Starts calls in the order in which they were asked for, however long their preparations take. */
export interface InOrder {
  /** `call` begins when `prepared` is there and every call before this one has begun or failed to: at once if so. */
  run<Prepared, Answer>(
    prepared: Prepared | Promise<Prepared>,
    call: (prepared: Prepared) => Promise<Answer>,
  ): Promise<Answer>
}

export function createInOrder(): InOrder {
  let last: Promise<unknown> = Promise.resolve()
  /** How many have not begun. */
  let waiting = 0

  async function begin<Prepared, Answer>(
    prepared: Promise<Prepared>,
    call: (prepared: Prepared) => Promise<Answer>,
    before: Promise<unknown>,
  ): Promise<{ readonly answer: Promise<Answer> }> {
    try {
      await before
      // Wrapped: the next call need not wait for the answer of this one.
      return { answer: call(await prepared) }
    } finally {
      waiting -= 1
    }
  }

  return {
    run(prepared, call) {
      if (waiting === 0 && !(prepared instanceof Promise)) return call(prepared)
      const preparing = Promise.resolve(prepared)
      // Awaited below, but perhaps only after it has failed.
      preparing.catch(() => undefined)
      waiting += 1
      const begun = begin(preparing, call, last)
      last = begun.then(
        ({ answer }) => {
          answer.catch(() => undefined)
        },
        () => undefined,
      )
      return begun.then(({ answer }) => answer)
    },
  }
}
