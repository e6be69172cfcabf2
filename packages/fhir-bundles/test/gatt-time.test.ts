import { describe, expect, test } from 'vitest'
import { decimal, deviceBundle } from '../src/index.js'
import { bytesOf } from './fixtures.js'
import { context, cuff, named, read, stamp } from './gatt-values.js'

describe('the time of a reading', () => {
  test('is shifted by the clock of the device, read when `clockReadAt` says', () => {
    const clock = { '2A2B': bytesOf('ea0703020704 1e018001') }
    expect(read({ '2A35': cuff, ...clock }, { clockReadAt: '2026-03-02T07:04:31.000+01:00' }).time).toEqual({
      quality: 'unsynchronized',
      measuredAt: '2026-03-02T07:00:00',
      deviceTime: '2026-03-02T07:04:30.500',
      gatewayTime: '2026-03-02T07:04:31.000+01:00',
      syncMethod: 'manual',
    })
    expect(read({ '2A35': cuff, '2A08': bytesOf(stamp) }).time).toMatchObject({
      quality: 'unsynchronized',
      deviceTime: '2026-03-02T07:00:00',
      gatewayTime: context.receivedAt,
    })
  })

  test('without a clock the device is on local time', () => {
    expect(read({ '2A35': cuff }).time).toEqual({
      quality: 'synchronized-local',
      measuredAt: '2026-03-02T07:00:00',
      gatewayTime: context.receivedAt,
    })
  })

  test.each(['00000302070000', 'ea070002070000', 'ea07021e070000', 'ea070302190000'])(
    'the stamp %s is none: reception counts',
    (bad) => {
      const packet = bytesOf(`02780050006200${bad}`)
      expect(read({ '2A35': packet }).time).toEqual({ quality: 'none', gatewayTime: context.receivedAt })
    },
  )

  test('a stamp that the clock cannot have made is on another time line, and is skipped', () => {
    for (const clock of ['ea070228070000', 'e307030207 0000']) {
      const reading = read({ '2A35': cuff, '2A08': bytesOf(clock) })
      const isDate = clock.startsWith('e307')
      expect(reading.time.quality).toBe(isDate ? 'other-time-line' : 'synchronized-local')
      if (isDate) expect(deviceBundle([reading]).skipped).toHaveLength(1)
    }
  })

  test('a clock that was never set: live is now, stored is lost', () => {
    const live = bytesOf(`11e203e803${stamp}`)
    expect(read({ '2A5E': live }).time.quality).toBe('none')
    const stored = bytesOf(`13e203e803${stamp}0002`)
    expect(read({ '2A5E': stored }).time.quality).toBe('other-time-line')
  })

  test('a stored record without a usable stamp is not of now: it is skipped', () => {
    for (const bad of ['00000302070000', 'ea07021e070000']) {
      const record = bytesOf(`020700${bad}70b011`)
      for (const clock of [{}, { '2A08': bytesOf(stamp) }]) {
        const reading = read({ '2A18': record, ...clock })
        expect(reading.time).toEqual({ quality: 'other-time-line', gatewayTime: context.receivedAt })
        expect(deviceBundle([reading]).skipped).toHaveLength(1)
      }
    }
    expect(read({ '2A5E': bytesOf('02e203e8030002') }).time.quality).toBe('other-time-line')
  })

  test('a stamp from the future is of a clock that was set wrong, also where nobody can read the clock', () => {
    const at = (month: string) => bytesOf(`0278005000620 0ea07${month}02070000`.replaceAll(' ', ''))
    expect(read({ '2A35': at('04') }).time).toEqual({
      quality: 'other-time-line',
      measuredAt: '2026-04-02T07:00:00',
      gatewayTime: context.receivedAt,
    })
    // A clock in another zone is at most a day ahead.
    const evening = { receivedAt: '2026-03-01T07:00:01+01:00' }
    expect(read({ '2A35': cuff }, evening).time.quality).toBe('synchronized-local')
    const morning = { receivedAt: '2026-03-01T06:59:59+01:00' }
    expect(read({ '2A35': cuff }, morning).time.quality).toBe('other-time-line')
  })

  test('the battery has the time of the clock, not of a stored measurement', () => {
    const values = { '2A35': cuff, '2A19': Uint8Array.of(80) }
    const [battery] = named(read({ ...values, '2A08': bytesOf('ea070302070a00') }).measurements, 'battery')
    expect(battery).toMatchObject({ value: decimal(80, 0), unit: '%', offset: decimal(600, 0) })
    expect(named(read(values).measurements, 'battery')).toEqual([])
    expect(
      named(read({ '2A37': bytesOf('0040'), '2A19': Uint8Array.of(80) }).measurements, 'battery'),
    ).toEqual([{ kind: 'numeric', type: 'battery', value: decimal(80, 0), unit: '%' }])
    expect(
      named(read({ '2A37': bytesOf('0040'), '2A19': Uint8Array.of(200) }).measurements, 'battery'),
    ).toEqual([])
  })
})
