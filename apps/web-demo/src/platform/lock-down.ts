/**
 * Lets the page talk, and send people to sign in, to one server only. The policy in the page must allow any that a
 * visitor may name; further policies can only take away.
 */
export function lockDown(origins: readonly string[]): void {
  const policy = document.createElement('meta')
  policy.httpEquiv = 'Content-Security-Policy'
  const allowed = ["'self'", ...origins].join(' ')
  policy.content = `connect-src ${allowed}; form-action ${allowed}`
  document.head.append(policy)
}
