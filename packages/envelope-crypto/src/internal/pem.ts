import { decodeBase64, encodeBase64 } from './base64.js'

export interface PemBlock {
  readonly label: string
  readonly der: Uint8Array<ArrayBuffer>
}

const begin = '-----BEGIN '
const dashes = '-----'

/**
 * The blocks of a PEM text; text around them is a comment. Undefined when a block is not closed or not Base64.
 * Scans with indexOf so that no input makes it slower than linear.
 */
export function readPem(text: string): readonly PemBlock[] | undefined {
  const blocks: PemBlock[] = []
  for (let at = text.indexOf(begin); at !== -1; at = text.indexOf(begin, at)) {
    const labelEnd = text.indexOf(dashes, at + begin.length)
    if (labelEnd === -1) return undefined
    const label = text.slice(at + begin.length, labelEnd)
    const bodyStart = labelEnd + dashes.length
    const end = `-----END ${label}-----`
    const bodyEnd = text.indexOf(end, bodyStart)
    if (bodyEnd === -1) return undefined
    const body = text.slice(bodyStart, bodyEnd)
    // Old encrypted keys carry header lines; the label is what matters of them.
    const der = body.includes(':') ? new Uint8Array(0) : decodeBase64(body)
    if (der === undefined) return undefined
    blocks.push({ label, der })
    at = bodyEnd + end.length
  }
  return blocks
}

export function writePem(label: string, der: Uint8Array): string {
  const lines = encodeBase64(der).match(/.{1,64}/g) ?? []
  return [`-----BEGIN ${label}-----`, ...lines, `-----END ${label}-----`, ''].join('\n')
}
