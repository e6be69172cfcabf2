const anyServer = "'self' https: http://127.0.0.1:* http://localhost:*"

const everywhere = {
  'default-src': "'none'",
  'script-src': "'self'",
  'style-src': "'self'",
  'img-src': "'self'",
  'manifest-src': "'self'",
  'worker-src': "'self'",
  'base-uri': "'none'",
  // Both are narrowed to one server by the app as soon as it knows which (src/platform/lock-down.ts).
  'form-action': anyServer,
  'connect-src': anyServer,
}

/** @param {Record<string, string>} directives */
function policy(directives) {
  return Object.entries(directives)
    .map(([name, value]) => `${name} ${value}`)
    .join('; ')
}

/** For a response header, which can say who may frame the page. */
export const headerPolicy = policy({ ...everywhere, 'frame-ancestors': "'none'" })

/**
 * Puts the policy into the page, for servers that send no header.
 * @returns {import('vite').Plugin}
 */
export function contentSecurityPolicy() {
  return {
    name: 'content-security-policy',
    transformIndexHtml: (html) => html.replace('%CSP%', policy(everywhere)),
  }
}
