import { BundleError } from '../errors.js'
import type { ReadingTime } from '../reading.js'
import { compact, fields, type Fields, invalid, join, member, oneOf, optional, text } from './check.js'
import { TIME_SYNC_METHODS } from './codes.js'
import { type Instant, readInstant } from './instant.js'
import { keysOf } from './check.js'

const MEMBERS = {
  unsynchronized: ['quality', 'measuredAt', 'deviceTime', 'gatewayTime', 'syncMethod'],
  'synchronized-utc': ['quality', 'measuredAt', 'gatewayTime'],
  'synchronized-local': ['quality', 'measuredAt', 'gatewayTime'],
  'time-fault': ['quality', 'measuredAt', 'gatewayTime'],
  'other-time-line': ['quality', 'measuredAt', 'gatewayTime'],
  none: ['quality', 'gatewayTime'],
} as const

export function parseTime(value: unknown, path: string): ReadingTime {
  const raw = fields(value, path, MEMBERS.unsynchronized)
  const quality = oneOf(member(raw, 'quality'), join(path, 'quality'), keysOf(MEMBERS))
  fields(value, path, MEMBERS[quality])
  switch (quality) {
    case 'unsynchronized':
      return parseUnsynchronized(raw, path)
    case 'synchronized-utc': {
      const measuredAt = deviceTime(raw, 'measuredAt', path)
      if (offsetOf(measuredAt) === undefined) {
        throw invalid(join(path, 'measuredAt'), 'must end in Z or an offset when the clock runs in UTC')
      }
      return compact({ quality, measuredAt, gatewayTime: optionalGateway(raw, path) })
    }
    case 'synchronized-local': {
      const measuredAt = deviceTime(raw, 'measuredAt', path)
      const time = readInstant(measuredAt)
      if (time?.kind !== 'calendar' || time.offset !== undefined) {
        throw invalid(
          join(path, 'measuredAt'),
          'must be a date-time without offset when the clock runs in local time',
        )
      }
      return {
        quality,
        measuredAt,
        gatewayTime: gatewayTime(member(raw, 'gatewayTime'), join(path, 'gatewayTime')),
      }
    }
    case 'time-fault': {
      const measuredAt = deviceTime(raw, 'measuredAt', path)
      if (clockForm(measuredAt) === 'ticks') {
        throw invalid(join(path, 'measuredAt'), 'must be a date-time: ticks say nothing without their clock')
      }
      return {
        quality,
        measuredAt,
        gatewayTime: gatewayTime(member(raw, 'gatewayTime'), join(path, 'gatewayTime')),
      }
    }
    case 'other-time-line':
      return compact({
        quality,
        measuredAt: optional(member(raw, 'measuredAt'), join(path, 'measuredAt'), text),
        gatewayTime: optionalGateway(raw, path),
      })
    case 'none':
      return { quality, gatewayTime: gatewayTime(member(raw, 'gatewayTime'), join(path, 'gatewayTime')) }
  }
}

function parseUnsynchronized(raw: Fields, path: string): ReadingTime {
  const measuredAt = deviceTime(raw, 'measuredAt', path)
  const now = deviceTime(raw, 'deviceTime', path)
  if (clockForm(measuredAt) !== clockForm(now)) {
    throw invalid(
      join(path, 'deviceTime'),
      'must be in the same form as measuredAt: both ticks, both without offset, or both with one',
    )
  }
  return compact({
    quality: 'unsynchronized' as const,
    measuredAt,
    deviceTime: now,
    gatewayTime: gatewayTime(member(raw, 'gatewayTime'), join(path, 'gatewayTime')),
    syncMethod: optional(member(raw, 'syncMethod'), join(path, 'syncMethod'), (method, at) =>
      oneOf(method, at, keysOf(TIME_SYNC_METHODS)),
    ),
  })
}

function clockForm(value: string): string {
  const time = readInstant(value)
  if (time?.kind !== 'calendar') return 'ticks'
  return time.offset === undefined ? 'local' : 'zoned'
}

function offsetOf(value: string): unknown {
  const time = readInstant(value)
  return time?.kind === 'calendar' ? time.offset : undefined
}

function deviceTime(raw: Fields, name: string, path: string): string {
  const at = join(path, name)
  const value = text(member(raw, name), at)
  const time = readInstant(value)
  if (time === undefined) {
    throw invalid(
      at,
      'must be a date-time with seconds (2024-05-01T08:00:00) or the seconds of a tick counter',
    )
  }
  if (time.kind === 'calendar' && time.offset !== undefined && time.offset.minutes % 15 !== 0) {
    throw invalid(at, 'must have an offset in quarter hours')
  }
  return value
}

function gatewayTime(value: unknown, path: string): string {
  const written = text(value, path)
  const time = readInstant(written)
  if (time?.kind !== 'calendar' || time.offset === undefined) {
    throw invalid(path, 'must be a date-time with seconds and an offset (2024-05-01T08:00:00+02:00)')
  }
  return written
}

function optionalGateway(raw: Fields, path: string): string | undefined {
  return optional(member(raw, 'gatewayTime'), join(path, 'gatewayTime'), gatewayTime)
}

/** For texts that the parser has already let through. */
export function instantOf(value: string): Instant {
  const time = readInstant(value)
  if (time === undefined) throw new BundleError('ERR_INVALID_READING', 'A time of the reading cannot be read')
  return time
}
