import { escapeHtml, htmlPage } from './auth/html.js'

interface Row {
  readonly method: string
  readonly path: string
  readonly does: string
}

const rows: readonly Row[] = [
  { method: 'GET', path: '/fhir/metadata', does: 'CapabilityStatement: exactly what the store does' },
  { method: 'GET', path: '/fhir/.well-known/smart-configuration', does: 'SMART configuration' },
  {
    method: 'GET',
    path: '/fhir/Patient?identifier=system|value',
    does: 'search a type, or everything at /fhir',
  },
  {
    method: 'POST',
    path: '/fhir/Observation',
    does: 'create; PUT, PATCH and DELETE on /fhir/Observation/id',
  },
  {
    method: 'GET',
    path: '/fhir/Observation/id/_history',
    does: 'versions of a resource; also of a type, and of all',
  },
  { method: 'GET', path: '/fhir/Patient/id/$everything', does: 'all about a patient' },
  { method: 'POST', path: '/fhir', does: 'batch or transaction' },
  { method: 'GET', path: '/auth/.well-known/openid-configuration', does: 'OpenID configuration' },
  { method: 'GET', path: '/auth/authorize', does: 'login of a person (code with PKCE)' },
  { method: 'POST', path: '/auth/token', does: 'tokens: code, refresh, client credentials, device' },
  { method: 'POST', path: '/auth/register', does: 'register a client (RFC 7591), manage it (RFC 7592)' },
  {
    method: 'POST',
    path: '/auth/introspect',
    does: 'ask about a token (RFC 7662); /auth/revoke ends it (RFC 7009)',
  },
  { method: 'GET', path: '/auth/jwks', does: 'public keys of id_tokens' },
  { method: 'POST', path: '/c3pro/register', does: 'register a C3-PRO device with an app receipt' },
  { method: 'POST', path: '/c3pro/oauth', does: 'access token of a C3-PRO device' },
  {
    method: 'POST',
    path: '/c3pro/encfhir',
    does: 'envelope for the key at /c3pro/jwks; /c3pro/fhir/Type takes plain resources',
  },
]

/** The page at the root: what the mock offers, as plain HTML with commands to copy. */
export function indexPage(root: string, open: boolean): string {
  const base = escapeHtml(root)
  const lines = rows.map(
    ({ method, path, does }) =>
      `<tr><td>${method}</td><td><code>${base}${escapeHtml(path)}</code></td><td>${escapeHtml(does)}</td></tr>`,
  )
  const token = `TOKEN=$(curl -s ${root}/auth/token -d grant_type=client_credentials \\
  -d client_id=mock-client -d client_secret=mock-secret | sed 's/.*"access_token":"\\([^"]*\\)".*/\\1/')`
  const bearer = open ? '' : ` -H "Authorization: Bearer $TOKEN"`
  const json = `-H 'Content-Type: application/fhir+json'`
  const examples = [
    ...(open ? [] : [token]),
    `curl -s${bearer} ${root}/fhir/Patient`,
    `curl -s${bearer} ${json} ${root}/fhir/Observation \\
  -d '{"resourceType":"Observation","status":"final","code":{"text":"weight"},"valueQuantity":{"value":70.50,"unit":"kg"}}'`,
    `curl -s${bearer} ${json} ${root}/fhir \\
  -d '{"resourceType":"Bundle","type":"transaction","entry":[{"resource":{"resourceType":"Flag"},"request":{"method":"POST","url":"Flag"}}]}'`,
  ]
  const access = open
    ? 'The FHIR routes need no token.'
    : 'The FHIR routes need a Bearer token from /auth/token.'
  return htmlPage(
    'FHIR Outbox mock server',
    `<p>FHIR R4 base: <code>${base}/fhir</code>. ${access} Everything is kept in memory.</p>
<h2>To copy</h2>
${examples.map((example) => `<pre><code>${escapeHtml(example)}</code></pre>`).join('\n')}
<p>The client of the examples is the one that <code>pnpm mock</code> and <code>fhir-outbox-mock</code> print.</p>
<h2>What is here</h2>
<table>
<thead><tr><th scope="col">Method</th><th scope="col">URL</th><th scope="col">What it does</th></tr></thead>
<tbody>
${lines.join('\n')}
</tbody>
</table>`,
  )
}
