import type { DisplayState } from '../model/states.js'

/**
 * One point of a plot. Delivered points are filled, those on the way hollow, those of unknown outcome half filled,
 * dead letters crossed out: shapes, so that nobody needs the colours.
 */
export function drawMark(
  context: CanvasRenderingContext2D,
  x: number,
  y: number,
  state: DisplayState,
  element: Element,
): void {
  const style = getComputedStyle(element)
  const of = (name: string): string => style.getPropertyValue(name).trim()
  const scale = devicePixelRatio
  const radius = 4 * scale
  context.save()
  context.setLineDash([])
  context.lineWidth = 1.75 * scale
  context.strokeStyle = of('--accent')
  context.fillStyle = of('--card')
  context.beginPath()
  if (state === 'dead' || state === 'quarantined') {
    context.strokeStyle = of('--bad')
    context.arc(x, y, radius + context.lineWidth, 0, 2 * Math.PI)
    context.fill()
    context.beginPath()
    context.moveTo(x - radius, y - radius)
    context.lineTo(x + radius, y + radius)
    context.moveTo(x + radius, y - radius)
    context.lineTo(x - radius, y + radius)
    context.stroke()
    context.restore()
    return
  }
  context.arc(x, y, radius, 0, 2 * Math.PI)
  if (state === 'delivered') context.fillStyle = of('--accent')
  context.fill()
  context.stroke()
  if (state === 'unknown') {
    context.beginPath()
    context.arc(x, y, radius, Math.PI / 2, -Math.PI / 2)
    context.fillStyle = of('--accent')
    context.fill()
  }
  context.restore()
}
