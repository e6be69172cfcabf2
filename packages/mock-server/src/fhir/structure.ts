import { hasControlCharacter, isObject, NumberText } from '../json.js'
import {
  numberPrimitives,
  rulesOf,
  stringPrimitives,
  type ElementRule,
  type ElementRules,
} from './elements.js'
import { idPattern, typePattern, type Resource } from './model.js'
import { FhirProblem, type Issue } from './problem.js'

const maxDepth = 100

/** `format`: what FHIR's JSON format states for every type. `elements`: also what the listed types allow. */
export type Validation = 'elements' | 'format' | 'none'

type Members = Readonly<Record<string, unknown>>

/**
 * The check that every write passes: a usable `resourceType`, the form of `id` and `meta`, and then, as far as
 * `validation` goes, no empty values, `null` only inside primitive arrays, no unknown or missing elements, no wrong
 * JSON types or dates, one member of a choice. All that is wrong is reported at once.
 */
export function checkResource(
  value: unknown,
  expectedType?: string,
  validation: Validation = 'format',
): Resource {
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
  if (validation !== 'none') {
    const issues: Issue[] = []
    const add = (code: string, path: string, what: string): void => {
      // One body can hold a million mistakes; nobody reads beyond the first few.
      if (issues.length < 20)
        issues.push({ code, diagnostics: `\`${path.slice(0, 200)}\` ${what}.`, expression: path })
    }
    checkMembers(value, type, validation === 'elements' ? rulesOf(type) : undefined, 0, add)
    throwIssues(issues)
  }
  return value as unknown as Resource
}

/** Refuses with every issue, unless there is none. */
export function throwIssues(issues: readonly Issue[], status = 400): void {
  const [first, ...further] = issues
  if (first === undefined) return
  throw new FhirProblem(status, first.code, first.diagnostics, { expression: first.expression, further })
}

type Add = (code: string, path: string, what: string) => void

function checkMembers(
  value: Members,
  path: string,
  rules: ElementRules | undefined,
  depth: number,
  add: Add,
): void {
  if (depth > maxDepth) {
    add('structure', path, 'is nested too deeply')
    return
  }
  const choices = new Set<string>()
  for (const [name, member] of Object.entries(value)) {
    const where = `${path}.${name}`
    const rule = ruleOf(name, member, rules, where, add)
    const choice = rule?.choice ?? (rules === undefined && /^value[A-Z]/.test(name) ? 'value[x]' : undefined)
    if (choice !== undefined && !Array.isArray(member)) {
      if (choices.has(choice)) add('invariant', `${path}.${choice}`, 'stands twice')
      choices.add(choice)
    }
    if (Array.isArray(member)) checkList(member, where, rule, depth, add)
    else checkValue(member, where, rule, depth, add)
  }
  for (const [name, rule] of rules ?? []) {
    if (rule.required && !Object.hasOwn(value, name) && !Object.hasOwn(value, `_${name}`)) {
      add('required', `${path}.${name}`, 'is missing')
    }
  }
}

/** The rule of a member. Twins (`_name`) and types that are not listed have none. */
function ruleOf(
  name: string,
  member: unknown,
  rules: ElementRules | undefined,
  where: string,
  add: Add,
): ElementRule | undefined {
  if (rules === undefined) return undefined
  const rule = rules.get(name)
  if (rule === undefined) {
    const twin = name.startsWith('_') ? rules.get(name.slice(1)) : undefined
    if (twin === undefined || !isPrimitive(twin.type)) add('structure', where, 'is not known here')
    return undefined
  }
  if (rule.list !== Array.isArray(member)) {
    add('structure', where, rule.list ? 'is no array' : 'is an array')
    return undefined
  }
  return rule
}

function checkList(
  list: readonly unknown[],
  where: string,
  rule: ElementRule | undefined,
  depth: number,
  add: Add,
): void {
  if (list.length === 0) add('structure', where, 'is an empty array')
  else if (list.every((item) => item === null)) add('structure', where, 'holds nothing but null')
  for (const [index, item] of list.entries()) {
    if (Array.isArray(item)) add('structure', `${where}[${index}]`, 'is an array in an array')
    // Primitive arrays and their `_name` twins use null to stay in step.
    else if (item !== null) checkValue(item, `${where}[${index}]`, rule, depth, add)
  }
}

function checkValue(
  value: unknown,
  path: string,
  rule: ElementRule | undefined,
  depth: number,
  add: Add,
): void {
  if (value === null) return add('structure', path, 'is null')
  if (value === '') return add('structure', path, 'is an empty string')
  if (typeof value === 'string' && hasControlCharacter(value)) {
    return add('value', path, 'holds a control character')
  }
  if (rule !== undefined && isPrimitive(rule.type)) return checkPrimitive(value, path, rule.type, add)
  if (!isObject(value)) {
    if (rule !== undefined) add('structure', path, 'is no object')
    return undefined
  }
  if (Object.keys(value).length === 0) return add('structure', path, 'is an empty object')
  let name = rule?.type
  if (name === 'Resource')
    name = typeof value['resourceType'] === 'string' ? value['resourceType'] : undefined
  if (name === 'Extension' && value['url'] === undefined) add('required', `${path}.url`, 'is missing')
  return checkMembers(value, path, name === undefined ? undefined : rulesOf(name), depth + 1, add)
}

function isPrimitive(type: string): boolean {
  return type === 'boolean' || Object.hasOwn(stringPrimitives, type) || Object.hasOwn(numberPrimitives, type)
}

function checkPrimitive(value: unknown, path: string, type: string, add: Add): void {
  if (type === 'boolean') {
    if (typeof value !== 'boolean') add('structure', path, 'is no boolean')
    return
  }
  const numbers = numberPrimitives[type]
  if (numbers !== undefined) {
    const text = value instanceof NumberText ? value.text : String(value)
    if (typeof value !== 'number' && !(value instanceof NumberText)) add('structure', path, 'is no number')
    else if (!numbers.test(text)) add('value', path, `is no ${type}`)
    return
  }
  if (typeof value !== 'string') add('structure', path, 'is no string')
  else if (stringPrimitives[type]?.test(value) === false || !isRealDate(value, type))
    add('value', path, `is no ${type}`)
}

/** The patterns let 31 February pass. */
function isRealDate(value: string, type: string): boolean {
  if (type !== 'date' && type !== 'dateTime' && type !== 'instant') return true
  const day = /^\d{4}-\d{2}-\d{2}/.exec(value)?.[0]
  if (day === undefined) return true
  const time = Date.parse(`${day}T00:00:00Z`)
  return !Number.isNaN(time) && new Date(time).toISOString().startsWith(day)
}
