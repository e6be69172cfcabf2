const longest = 200

/** Registered error codes: they say nothing secret, whatever the secret is. */
const knownErrors = new Set([
  'access_denied',
  'insufficient_scope',
  'invalid_client',
  'invalid_client_metadata',
  'invalid_grant',
  'invalid_redirect_uri',
  'invalid_request',
  'invalid_scope',
  'invalid_software_statement',
  'invalid_token',
  'server_error',
  'slow_down',
  'temporarily_unavailable',
  'unapproved_software_statement',
  'unauthorized_client',
  'unsupported_grant_type',
])

/** The forms in which a secret may come back in a server's error text. */
function spellings(secret: string): readonly string[] {
  const form = new URLSearchParams({ s: secret }).toString().slice(2)
  return [secret, form, form.replaceAll('+', '%20'), form.toLowerCase()]
}

/** A JWT, or a run longer than anything a person could use: keys, receipts and tokens look like this. */
function looksSecret(run: string): boolean {
  return run.length >= 64 || run.startsWith('eyJ')
}

/**
 * Makes a text from a server fit for an error message: one line, bounded, and without the secrets that
 * were sent, even where the server quotes only a part of them.
 */
export function cleanText(text: string, secrets: readonly string[]): string {
  // Shorter ones would only tear words apart.
  const known = secrets.filter((secret) => secret.length >= 4).flatMap(spellings)
  let clean = text.slice(0, 16_384)
  for (const secret of known) clean = clean.replaceAll(secret, '[redacted]')
  clean = clean.replaceAll(/[A-Za-z0-9+/=_.~%-]{8,}/g, (run) =>
    looksSecret(run) || known.some((secret) => secret.includes(run)) ? '[redacted]' : run,
  )
  // Control, format (bidirectional overrides) and line separator characters can forge log lines.
  clean = clean
    .replaceAll(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}<>]+/gu, ' ')
    .replaceAll(/ {2,}/g, ' ')
    .trim()
  return clean.length > longest ? `${clean.slice(0, longest)}…` : clean
}

/** An OAuth `error` value, when it looks like one and repeats nothing secret. */
export function cleanOAuthError(value: unknown, secrets: readonly string[]): string | undefined {
  if (typeof value !== 'string') return undefined
  if (knownErrors.has(value)) return value
  if (!/^[A-Za-z0-9_.:/-]{1,80}$/.test(value)) return undefined
  return cleanText(value, secrets) === value ? value : undefined
}

/**
 * A stand-in for a foreign error: its names and codes down the chain, nothing else. Errors of senders and key
 * services may hold whole requests, and their messages whole headers.
 */
export function safeCause(error: unknown): Error | undefined {
  const parts: string[] = []
  let current: unknown = error
  for (let depth = 0; depth < 4 && current instanceof Error; depth += 1) {
    const code: unknown = 'code' in current ? current.code : undefined
    const shown = [current.name, typeof code === 'string' ? code : ''].map((part) =>
      /^[A-Za-z0-9_]{1,60}$/.test(part) ? part : '',
    )
    parts.push(shown.filter((part) => part !== '').join(' ') || 'Error')
    current = current.cause
  }
  return parts.length === 0 ? undefined : new Error(parts.join(' < '))
}
