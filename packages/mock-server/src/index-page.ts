interface Row {
  readonly method: string
  readonly path: string
  readonly does: string
}

const rows: readonly Row[] = [
  { method: 'GET', path: '/fhir/metadata', does: 'CapabilityStatement' },
  { method: 'GET', path: '/fhir/.well-known/smart-configuration', does: 'SMART configuration' },
  { method: 'GET', path: '/fhir/Patient?identifier=system|value', does: 'search a type' },
  { method: 'POST', path: '/fhir/Observation', does: 'create a resource' },
  { method: 'POST', path: '/fhir', does: 'batch or transaction' },
  { method: 'POST', path: '/auth/register', does: 'register a client (RFC 7591)' },
  { method: 'POST', path: '/auth/token', does: 'access token by client_credentials' },
  { method: 'POST', path: '/c3pro/register', does: 'register a C3-PRO device with an app receipt' },
  { method: 'POST', path: '/c3pro/oauth', does: 'access token of a C3-PRO device' },
  { method: 'POST', path: '/c3pro/encfhir', does: 'encrypted envelope' },
]

function escapeHtml(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
}

/** The page at the root: what the mock offers, as plain HTML. */
export function indexPage(root: string, open: boolean): string {
  const base = escapeHtml(root)
  const lines = rows.map(
    ({ method, path, does }) =>
      `<tr><td>${method}</td><td><code>${base}${escapeHtml(path)}</code></td><td>${escapeHtml(does)}</td></tr>`,
  )
  const access = open
    ? 'The FHIR routes need no token.'
    : 'The FHIR routes need a Bearer token from /auth/token.'
  return `<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>FHIR Outbox mock server</title></head>
<body>
<h1>FHIR Outbox mock server</h1>
<p>FHIR R4 base: <code>${base}/fhir</code>. ${access}</p>
<table>
<thead><tr><th>Method</th><th>URL</th><th>What it does</th></tr></thead>
<tbody>
${lines.join('\n')}
</tbody>
</table>
</body>
</html>
`
}
