/** Rejects the way every aborted operation here does: with a DOMException named AbortError. */
export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted === true) throw new DOMException('The operation was aborted.', 'AbortError')
}
