const SEGMENT_FACTOR = 2 ** 32

/** Segment and offset in one number, so that the index can keep it in a column of doubles. */
export function locationOf(segment: number, offset: number): number {
  return segment * SEGMENT_FACTOR + offset
}

export function segmentOf(location: number): number {
  return Math.floor(location / SEGMENT_FACTOR)
}

export function offsetOf(location: number): number {
  return location % SEGMENT_FACTOR
}
