import { asArray, isObject } from '../json.js'
import type { RepositoryView } from './repository.js'

/** The patients of the store, with a name to show where there is one. */
export function patientList(view: RepositoryView): readonly { readonly id: string; readonly name: string }[] {
  return [...view.candidates('Patient')].map(({ id, resource }) => {
    const [name] = asArray(resource['name'])
    const { text, given, family } = isObject(name) ? name : {}
    const parts = [...asArray(given), family].filter((part) => typeof part === 'string').join(' ')
    const shown = typeof text === 'string' ? text : parts
    return { id, name: shown === '' ? id : shown }
  })
}
