import { isObject } from '../json.js'
import { idPattern, typePattern, type Resource } from './model.js'
import { FhirProblem } from './problem.js'

const maxDepth = 100

/**
 * The light structural check: the rules that FHIR's JSON format states for every type (no empty values, `null` only
 * inside primitive arrays), a usable `resourceType`, and the form of `id` and `meta`. What a type allows is not checked.
 */
export function checkResource(value: unknown, expectedType?: string): Resource {
  if (!isObject(value)) throw new FhirProblem(400, 'structure', 'The body is not a JSON object.')
  const type = value['resourceType']
  if (typeof type !== 'string' || !typePattern.test(type)) {
    throw new FhirProblem(400, 'structure', 'The body has no usable `resourceType`.', {
      expression: 'Resource',
    })
  }
  if (expectedType !== undefined && type !== expectedType) {
    throw new FhirProblem(400, 'invariant', `The body is a ${type}, but the URL says ${expectedType}.`, {
      expression: type,
    })
  }
  const id = value['id']
  if (id !== undefined && (typeof id !== 'string' || !idPattern.test(id))) {
    throw new FhirProblem(400, 'value', 'The id is not 1 to 64 of A-Z a-z 0-9 - and dot.', {
      expression: `${type}.id`,
    })
  }
  if (value['meta'] !== undefined && !isObject(value['meta'])) {
    throw new FhirProblem(400, 'structure', '`meta` is not an object.', { expression: `${type}.meta` })
  }
  checkMembers(value, type, 0)
  return value as unknown as Resource
}

function checkMembers(value: Readonly<Record<string, unknown>>, path: string, depth: number): void {
  if (depth > maxDepth) refuse(path.slice(0, 200), 'is nested too deeply')
  for (const [name, member] of Object.entries(value)) {
    const where = `${path}.${name}`
    if (!Array.isArray(member)) {
      checkValue(member, where, depth)
      continue
    }
    if (member.length === 0) refuse(where, 'is an empty array')
    if (member.every((item) => item === null)) refuse(where, 'holds nothing but null')
    for (const [index, item] of (member as unknown[]).entries()) {
      if (Array.isArray(item)) refuse(`${where}[${index}]`, 'is an array in an array')
      // Primitive arrays and their `_name` twins use null to stay in step.
      if (item !== null) checkValue(item, `${where}[${index}]`, depth)
    }
  }
}

function checkValue(value: unknown, path: string, depth: number): void {
  if (value === null) refuse(path, 'is null')
  if (value === '') refuse(path, 'is an empty string')
  if (!isObject(value)) return
  if (Object.keys(value).length === 0) refuse(path, 'is an empty object')
  checkMembers(value, path, depth + 1)
}

function refuse(path: string, what: string): never {
  throw new FhirProblem(400, 'structure', `\`${path}\` ${what}.`, { expression: path })
}
