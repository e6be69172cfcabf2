/** `Retry-After` in milliseconds from now, in both of its forms; undefined when absent or unreadable. */
export function retryAfterMs(headers: Headers, now: number): number | undefined {
  const value = headers.get('retry-after')?.trim()
  if (value === undefined || value === '') return undefined
  if (/^\d{1,9}$/.test(value)) return Number(value) * 1000
  const date = Date.parse(value)
  if (Number.isNaN(date)) return undefined
  // The date is on the server's clock: measure it against the server's own Date header if there is one.
  const serverNow = Date.parse(headers.get('date') ?? '')
  return Math.max(0, date - (Number.isNaN(serverNow) ? now : serverNow))
}
