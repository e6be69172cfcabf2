import { expect, test } from 'vitest'
import { eventsOf } from './support/agent.js'
import { bundledAgent, startProcess } from './support/process.js'

const script = bundledAgent()

test('the demo keeps its promise, as counted at the server', { timeout: 60_000 }, async () => {
  const shown = startProcess(script(), ['demo'])
  // Another seed is another day; both run side by side to save time.
  const told = startProcess(script(), ['demo', '--seed', '42', '--json'])

  const { code } = await shown.ended
  expect(shown.stderr()).toBe('')
  const lines = shown.stdout().trimEnd().split('\n')
  const [, accepted, delivered] =
    /^accepted=(\d+) delivered=(\d+) dead=0 lost=0 duplicated=0 out-of-order=0$/.exec(lines.at(-1) ?? '') ??
    []
  expect(Number(accepted)).toBeGreaterThan(90)
  expect(delivered).toBe(accepted)
  expect(code).toBe(0)
  expect(shown.stdout()).toContain(
    '3 replies were lost after commit. Asked the server: already there, 3 times.',
  )
  // It fits on a screen of 80 by 24, prompt included.
  expect(lines.length).toBeLessThanOrEqual(23)
  expect(lines.filter((line) => line.length > 80)).toEqual([])

  const { code: otherCode } = await told.ended
  const events = eventsOf(told.stdout())
  expect(events.map(({ event }) => event)).toEqual([
    'start',
    'registered',
    'morning',
    'cut',
    'killed',
    'killed',
    'replies-lost',
    'sample',
    'next',
    'balance',
  ])
  expect(events.find(({ event }) => event === 'cut')).toMatchObject({ waiting: 41 })
  expect(events.filter(({ event }) => event === 'killed').map(({ lost }) => lost)).toEqual([0, 0])
  const { accepted: all, ...balance } = events.at(-1) ?? {}
  expect(balance).toMatchObject({
    delivered: all,
    dead: 0,
    lost: 0,
    duplicated: 0,
    outOfOrder: 0,
    changed: 0,
  })
  expect(otherCode).toBe(0)
})
