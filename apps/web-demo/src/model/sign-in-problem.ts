const words: Readonly<Record<string, string>> = {
  ERR_AUTH_UNREACHABLE: 'The server’s sign-in cannot be reached. Try again later.',
  ERR_DISCOVERY_FAILED: 'This server does not say how to sign in (no SMART configuration).',
  ERR_REGISTRATION_FAILED:
    'The server does not let apps register themselves. Register this address there, and add &client= with the id you got.',
  ERR_CALLBACK_REFUSED:
    'The answer of the server belongs to no sign-in that this tab has begun, or came too late. Sign in again.',
  ERR_AUTHORIZATION_REFUSED: 'The server, or somebody there, said no.',
  ERR_NO_SINGLE_PATIENT: 'The sign-in is not about one patient, so readings would have nowhere to go.',
  ERR_ID_TOKEN_REFUSED: 'The server’s statement about the person does not hold. Do not trust it; report it.',
  ERR_WRONG_ORIGIN:
    'The server signs people in at another address. If it is trustworthy, add &auth= with its origin.',
  ERR_INSECURE_URL: 'Signing in needs https.',
}

/** What to tell a person whose sign-in did not work. Errors of smart-auth have a code and keep secrets out. */
export function signInProblem(error: unknown): string {
  if (!(error instanceof Error)) return 'Signing in did not work, for a reason that is not known.'
  const code = 'code' in error && typeof error.code === 'string' ? error.code : ''
  return words[code] ?? `Signing in did not work. ${error.message}`
}
