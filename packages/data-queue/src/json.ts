import { parse, stringify } from 'lossless-json'
import { DataQueueError } from './errors.js'

/** A JSON object whose members are looked at one by one. */
export type JsonObject = Record<string, unknown>

/** A FHIR resource as an object, or as JSON text when its decimals must keep every digit (`2.0` stays `2.0`). */
export type ResourceInput = object | string

export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/**
 * A private copy that may be edited. Text is parsed so that numbers keep their exact spelling; objects are
 * copied by way of JSON, which is what would travel anyway.
 */
export function readJson(input: ResourceInput): JsonObject {
  let value: unknown
  try {
    value = parse(typeof input === 'string' ? input : (JSON.stringify(input) ?? 'null'))
  } catch (cause) {
    throw new DataQueueError('ERR_INVALID_RESOURCE', 'The resource is not JSON.', {
      hint: 'Pass one FHIR resource as an object or as JSON text.',
      cause,
    })
  }
  if (!isObject(value)) {
    throw new DataQueueError('ERR_INVALID_RESOURCE', 'The resource is not a JSON object.', {
      hint: 'Pass one FHIR resource; send the members of an array one by one.',
    })
  }
  return value
}

export function toJson(value: unknown): string {
  return stringify(value) ?? 'null'
}
