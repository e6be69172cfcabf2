import { deflateSync } from 'node:zlib'
import type { Plugin } from 'vite'

/** An outbox tray with a pulse line that leaves it, on a 64 × 64 field. */
const tray = [
  [12, 38],
  [12, 50],
  [52, 50],
  [52, 38],
] as const
const pulse = [
  [14, 30],
  [24, 30],
  [29, 18],
  [36, 40],
  [41, 30],
  [50, 30],
] as const

type Line = readonly (readonly [number, number])[]

const ground = { r: 0x0f, g: 0x5f, b: 0x5c }
const ink = { r: 0xff, g: 0xff, b: 0xff }
const stroke = 4.5

function svg(): string {
  const path = (line: Line): string => `M${line.map(([x, y]) => `${x} ${y}`).join('L')}`
  return [
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 64 64">',
    '<rect width="64" height="64" rx="14" fill="#0f5f5c"/>',
    `<path d="${path(tray)}${path(pulse)}" fill="none" stroke="#fff" stroke-width="${stroke}"`,
    ' stroke-linecap="round" stroke-linejoin="round"/></svg>',
  ].join('')
}

function distance(x: number, y: number, line: Line): number {
  let least = Infinity
  for (const [index, [x1, y1]] of line.slice(0, -1).entries()) {
    const [x2, y2] = line[index + 1] ?? [x1, y1]
    const [dx, dy] = [x2 - x1, y2 - y1]
    const along = Math.min(1, Math.max(0, ((x - x1) * dx + (y - y1) * dy) / (dx * dx + dy * dy)))
    least = Math.min(least, Math.hypot(x - x1 - along * dx, y - y1 - along * dy))
  }
  return least
}

/** How far a point lies outside a square with round corners; negative inside. */
function outsideSquare(x: number, y: number, radius: number): number {
  const dx = Math.max(radius - x, x - (64 - radius), 0)
  const dy = Math.max(radius - y, y - (64 - radius), 0)
  return Math.hypot(dx, dy) - radius
}

function pixels(size: number, maskable: boolean): Buffer {
  const rows = Buffer.alloc(size * (size * 4 + 1))
  const unit = 64 / size
  // Masks may cut off everything outside the middle 80 %.
  const scale = maskable ? 1.3 : 1
  const cover = (away: number): number => Math.min(1, Math.max(0, 0.5 - away / unit))
  for (let row = 0; row < size; row += 1) {
    let at = row * (size * 4 + 1) + 1
    for (let column = 0; column < size; column += 1) {
      const [x, y] = [(column + 0.5) * unit, (row + 0.5) * unit]
      const alpha = maskable ? 1 : cover(outsideSquare(x, y, 14))
      const [sx, sy] = [32 + (x - 32) * scale, 32 + (y - 32) * scale]
      const drawn = cover((Math.min(distance(sx, sy, tray), distance(sx, sy, pulse)) - stroke / 2) / scale)
      for (const channel of ['r', 'g', 'b'] as const) {
        rows[at] = Math.round(ground[channel] + (ink[channel] - ground[channel]) * drawn)
        at += 1
      }
      rows[at] = Math.round(alpha * 255)
      at += 1
    }
  }
  return rows
}

const crcTable = Array.from({ length: 256 }, (_, n) => {
  let c = n
  for (let bit = 0; bit < 8; bit += 1) c = c & 1 ? 0xedb88320 ^ (c >>> 1) : c >>> 1
  return c
})

function crc32(bytes: Buffer): number {
  let crc = 0xffffffff
  for (const byte of bytes) crc = (crcTable[(crc ^ byte) & 0xff] ?? 0) ^ (crc >>> 8)
  return (crc ^ 0xffffffff) >>> 0
}

function chunk(type: string, data: Buffer): Buffer {
  const body = Buffer.concat([Buffer.from(type, 'latin1'), data])
  const frame = Buffer.alloc(8)
  frame.writeUInt32BE(data.length, 0)
  frame.writeUInt32BE(crc32(body), 4)
  return Buffer.concat([frame.subarray(0, 4), body, frame.subarray(4)])
}

function png(size: number, maskable = false): Buffer {
  const header = Buffer.alloc(13)
  header.writeUInt32BE(size, 0)
  header.writeUInt32BE(size, 4)
  header.set([8, 6], 8)
  return Buffer.concat([
    Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]),
    chunk('IHDR', header),
    chunk('IDAT', deflateSync(pixels(size, maskable), { level: 9 })),
    chunk('IEND', Buffer.alloc(0)),
  ])
}

/** Draws the icons of the installed app, so that no binary file lies in the repository. */
export function icons(): Plugin {
  return {
    name: 'icons',
    apply: 'build',
    generateBundle() {
      const files: readonly (readonly [string, string | Buffer])[] = [
        ['icon.svg', svg()],
        ['icon-192.png', png(192)],
        ['icon-512.png', png(512)],
        ['icon-maskable-512.png', png(512, true)],
      ]
      for (const [fileName, source] of files) this.emitFile({ type: 'asset', fileName, source })
    },
  }
}
