import { readFile } from 'node:fs/promises'
import type { MockServer } from '@fhir-outbox/mock-server'
import { expect } from 'vitest'
import { isSameContent } from '../../src/demo/compare.js'

interface Sent {
  readonly fullUrl?: string
  readonly resource: Readonly<Record<string, unknown>>
}

/** The resources in a file, in the order in which they are written, read without any code of the agent. */
export function resourcesIn(text: string): readonly Sent[] {
  const value = JSON.parse(text) as Record<string, unknown>
  if (value['resourceType'] !== 'Bundle') return [{ resource: value }]
  return value['entry'] as readonly Sent[]
}

/** Asserts that the server, which was empty, holds exactly these resources, and nothing was changed on the way. */
export function expectExactly(mock: MockServer, sent: readonly Sent[]): void {
  const commits = mock.state.commits
  expect(commits.map(({ type }) => type)).toEqual(sent.map(({ resource }) => resource['resourceType']))
  expect(mock.state.resources()).toHaveLength(sent.length)
  const rewritten = new Map(
    sent.flatMap(({ fullUrl }, index) =>
      fullUrl === undefined ? [] : [[fullUrl, `${commits[index]?.type}/${commits[index]?.id}`] as const],
    ),
  )
  const changed = sent.filter(({ resource }, index) => {
    const commit = commits[index]
    const stored = commit === undefined ? undefined : mock.state.get(commit.type, commit.id)
    return !isSameContent(resource, stored, rewritten)
  })
  expect(changed).toEqual([])
}

export async function expectFile(mock: MockServer, path: string): Promise<void> {
  expectExactly(mock, resourcesIn(await readFile(path, 'utf8')))
}
