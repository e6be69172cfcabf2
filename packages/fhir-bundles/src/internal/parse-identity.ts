import type {
  DeviceIdentity,
  GatewayIdentity,
  PatientIdentity,
  TransportAddress,
  Versions,
} from '../reading.js'
import {
  compact,
  fields,
  type Fields,
  invalid,
  join,
  keysOf,
  list,
  member,
  oneOf,
  optional,
  positiveInteger,
  text,
} from './check.js'
import { ADDRESS_KINDS, SYSTEM_ID, TIME_SYNC_METHODS, VERSION_KINDS } from './codes.js'

const COMMON = ['systemId', 'address', 'manufacturer', 'model', 'serialNumber', 'versions', 'timeSync']
// MDC_DEV_SPEC_PROFILE_*: the block 8::4096 to 8::4351 of the nomenclature.
const FIRST_SPECIALIZATION = 528384
const LAST_SPECIALIZATION = 528639

export function parseDevice(value: unknown, path: string): DeviceIdentity {
  const raw = fields(value, path, [...COMMON, 'specializations'])
  return {
    ...parseCommon(raw, path),
    manufacturer: text(member(raw, 'manufacturer'), join(path, 'manufacturer')),
    model: text(member(raw, 'model'), join(path, 'model')),
    ...compact({
      specializations: optional(member(raw, 'specializations'), join(path, 'specializations'), (items, at) =>
        list(items, at, parseSpecialization),
      ),
    }),
  }
}

export function parseGateway(value: unknown, path: string): GatewayIdentity {
  const raw = fields(value, path, COMMON)
  return {
    ...parseCommon(raw, path),
    ...compact({
      manufacturer: optional(member(raw, 'manufacturer'), join(path, 'manufacturer'), text),
      model: optional(member(raw, 'model'), join(path, 'model'), text),
    }),
  }
}

function parseCommon(
  raw: Fields,
  path: string,
): Pick<GatewayIdentity, 'systemId' | 'address' | 'serialNumber' | 'versions' | 'timeSync'> {
  const systemId = optional(member(raw, 'systemId'), join(path, 'systemId'), (id, at) =>
    octets(id, at, SYSTEM_ID.octets),
  )
  const address = optional(member(raw, 'address'), join(path, 'address'), parseAddress)
  if (systemId === undefined && address === undefined) {
    throw invalid(path, 'must have a systemId or an address: without one it would be created again each time')
  }
  return compact({
    systemId,
    address,
    serialNumber: optional(member(raw, 'serialNumber'), join(path, 'serialNumber'), text),
    versions: optional(member(raw, 'versions'), join(path, 'versions'), parseVersions),
    timeSync: optional(member(raw, 'timeSync'), join(path, 'timeSync'), (method, at) =>
      oneOf(method, at, keysOf(TIME_SYNC_METHODS)),
    ),
  })
}

function parseAddress(value: unknown, path: string): TransportAddress {
  const raw = fields(value, path, ['kind', 'value'])
  const kind = oneOf(member(raw, 'kind'), join(path, 'kind'), keysOf(ADDRESS_KINDS))
  return { kind, value: octets(member(raw, 'value'), join(path, 'value'), ADDRESS_KINDS[kind].octets) }
}

/** `FE-ED-AB-EE-DE-AD-77-C3` from any usual spelling: one spelling, or servers see several devices. */
function octets(value: unknown, path: string, count: number): string {
  const pairs = /^(?:[0-9a-f]{2}([-:]?)(?:[0-9a-f]{2}\1)*[0-9a-f]{2})$/i.test(text(value, path))
    ? text(value, path).replaceAll(/[-:]/g, '').toUpperCase()
    : ''
  if (pairs.length !== count * 2) throw invalid(path, `must be ${count} octets in hex, as in 00-1C-05`)
  // Devices without an id of their own send one of these; as an identity it would join them all into one.
  if (/^(?:00)+$|^(?:FF)+$/.test(pairs))
    throw invalid(path, 'must be a real id, not all zeros or all ones; leave it out')
  return (pairs.match(/../g) ?? []).join('-')
}

function parseVersions(value: unknown, path: string): Versions {
  const raw = fields(value, path, keysOf(VERSION_KINDS))
  const parsed = keysOf(VERSION_KINDS).map((kind) => [
    kind,
    optional(member(raw, kind), join(path, kind), text),
  ])
  return compact(Object.fromEntries(parsed) as { [kind in keyof Versions]: string | undefined })
}

function parseSpecialization(value: unknown, path: string): { code: number; version?: string } {
  const raw = fields(value, path, ['code', 'version'])
  const code = positiveInteger(member(raw, 'code'), join(path, 'code'))
  if (code < FIRST_SPECIALIZATION || code > LAST_SPECIALIZATION) {
    throw invalid(join(path, 'code'), 'must be an MDC_DEV_SPEC_PROFILE code (528384 to 528639)')
  }
  return compact({ code, version: optional(member(raw, 'version'), join(path, 'version'), text) })
}

const RESOURCE_ID = /^[A-Za-z0-9\-.]{1,64}$/
// An absolute URI: scheme, colon, and nothing that a URI may not hold.
const URI = /^[A-Za-z][A-Za-z0-9+.-]*:[^\s<>"{}^`]+$/

export function parsePatient(value: unknown, path: string): PatientIdentity {
  const raw = fields(value, path, ['id', 'identifier', 'name'])
  const id = member(raw, 'id')
  if ((id === undefined) === (member(raw, 'identifier') === undefined)) {
    throw invalid(path, 'must have either an id or an identifier')
  }
  if (id !== undefined) {
    fields(value, path, ['id'])
    const logical = text(id, join(path, 'id'))
    if (!RESOURCE_ID.test(logical))
      throw invalid(join(path, 'id'), 'must be a FHIR id: letters, digits, - and .')
    return { id: logical }
  }
  return {
    identifier: parseIdentifier(member(raw, 'identifier'), join(path, 'identifier')),
    ...compact({ name: optional(member(raw, 'name'), join(path, 'name'), parseName) }),
  }
}

type Identified = Exclude<PatientIdentity, { id: string }>

function parseIdentifier(value: unknown, path: string): Identified['identifier'] {
  const raw = fields(value, path, ['system', 'value', 'type'])
  const system = text(member(raw, 'system'), join(path, 'system'))
  if (!URI.test(system)) throw invalid(join(path, 'system'), 'must be an absolute URI')
  return {
    system,
    value: text(member(raw, 'value'), join(path, 'value')),
    ...compact({ type: optional(member(raw, 'type'), join(path, 'type'), text) }),
  }
}

function parseName(value: unknown, path: string): { family?: string; given?: readonly string[] } {
  const raw = fields(value, path, ['family', 'given'])
  const name = compact({
    family: optional(member(raw, 'family'), join(path, 'family'), text),
    given: optional(member(raw, 'given'), join(path, 'given'), (given, at) => list(given, at, text)),
  })
  if (name.family === undefined && (name.given ?? []).length === 0)
    throw invalid(path, 'must not be empty; leave it out')
  return name.given?.length === 0 ? compact({ family: name.family }) : name
}
