import { describe, expect, it } from 'vitest'
import { kinds } from '../src/model/kinds.js'
import { goTo, seesAllDelivered } from './support/person.js'
import { setStage, startServer, useBrowser } from './support/stage.js'

useBrowser()

describe('the simulated devices', () => {
  it('each give readings that arrive and are shown', async () => {
    const server = await startServer()
    const stage = await setStage()
    const page = await stage.open(server.search)
    const measure = page.getByRole('button', { name: 'Measure', exact: true })
    for (const [index, { device }] of kinds.entries()) {
      await page.getByLabel('A simulated device').selectOption(device)
      await measure.click()
      await page.getByText(`Stored as no. ${index + 1}.`).waitFor()
    }
    // The same device again: another reading, not a repetition of the first.
    await measure.click()
    await page.getByText(`Stored as no. ${kinds.length + 1}.`).waitFor()
    await seesAllDelivered(page, kinds.length + 1)

    const codes = server.mock.state
      .resources('Observation')
      .map(({ code }) => (code as { coding: { code: string }[] }).coding[0]?.code)
    for (const { columns, device } of kinds) {
      const expected = device === 'Heart-rate strap' ? 2 : 1
      expect(codes.filter((code) => code === columns[0].code).length, device).toBe(expected)
    }
    // One device of each kind, and the gateway.
    expect(server.mock.state.resources('Device').length).toBe(kinds.length + 1)

    await goTo(page, 'Trends')
    for (const { name, columns } of kinds) {
      await page.getByRole('button', { name, exact: true }).click()
      await page.getByRole('columnheader', { name: columns[0].label }).waitFor()
      const rows = name === 'Heart rate' ? 2 : 1
      expect(await page.getByRole('row').count(), name).toBe(rows + 1)
    }
    expect(stage.complaints).toEqual([])
  })
})
