/** The opaque version inside an ETag: `W/"3"` and `"3"` give `3`; an empty or malformed tag gives `undefined`. */
export function versionOfEtag(etag: string | undefined): string | undefined {
  const match = /^(?:W\/)?"([^"]+)"$/.exec(etag?.trim() ?? '')
  return match?.[1]
}

/** A condition header from a version id or a ready ETag. FHIR versions are weak tags; `*` stays. */
export function conditionTag(value: string): string {
  return value === '*' || /^(?:W\/)?"[^"]*"(?:\s*,\s*(?:W\/)?"[^"]*")*$/.test(value) ? value : `W/"${value}"`
}
