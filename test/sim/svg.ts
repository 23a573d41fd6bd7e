/**
 * Plots as SVG, written by hand: a few lines over sizes of networks, on a logarithmic axis. Plain
 * text that a diff shows, and no library.
 */

export interface Line {
  readonly name: string
  /** x, a size; y, from 0. */
  readonly points: readonly (readonly [number, number])[]
}

export interface Plot {
  readonly title: string
  readonly x: string
  readonly y: string
  readonly lines: readonly Line[]
}

const WIDTH = 640
const HEIGHT = 360
const EDGE = { left: 60, right: 170, top: 40, bottom: 50 }
const COLOURS = ['#0b6e99', '#c4421a', '#3d7a2a', '#7a3d8f', '#8a6d00']
const TICKS = 5

export function svgOf({ title, x, y, lines }: Plot): string {
  const all = lines.flatMap(({ points }) => points)
  const sizes = [...new Set(all.map(([size]) => size))].sort((a, b) => a - b)
  const scale = scaleOf(sizes, roundUp(Math.max(0, ...all.map(([, value]) => value))))
  const body = [
    text(WIDTH / 2, 22, title, 'middle'),
    text(scale.x(sizes[0] ?? 1), HEIGHT - 12, x, 'start'),
    text(8, EDGE.top - 12, y, 'start'),
    ...sizes.map((size) => text(scale.x(size), HEIGHT - 32, `${size}`, 'middle')),
    ...scale.ticks.flatMap((value) => [
      `<line x1="${EDGE.left}" x2="${WIDTH - EDGE.right}" y1="${scale.y(value)}" ` +
        `y2="${scale.y(value)}" stroke="#ddd"/>`,
      text(EDGE.left - 6, scale.y(value) + 4, `${value}`, 'end'),
    ]),
    ...lines.flatMap((line, i) => drawn(line, i, scale)),
  ]
  const head =
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" ` +
    `font-family="sans-serif" font-size="12"><title>${title}</title>`
  const paper = `<rect width="${WIDTH}" height="${HEIGHT}" fill="#fff"/>`
  return `${[head, paper, ...body, '</svg>'].join('\n')}\n`
}

interface Scale {
  x(size: number): number
  y(value: number): number
  readonly ticks: readonly number[]
}

function scaleOf(sizes: readonly number[], top: number): Scale {
  const [low, high] = [Math.log(sizes[0] ?? 1), Math.log(sizes.at(-1) ?? 10)]
  const width = WIDTH - EDGE.left - EDGE.right
  const height = HEIGHT - EDGE.top - EDGE.bottom
  return {
    x: (size) => round(EDGE.left + (width * (Math.log(size) - low)) / Math.max(1e-9, high - low)),
    y: (value) => round(EDGE.top + height * (1 - value / top)),
    ticks: Array.from({ length: TICKS + 1 }, (_, i) => round((top * i) / TICKS)),
  }
}

function drawn({ name, points }: Line, index: number, scale: Scale): string[] {
  const colour = COLOURS[index % COLOURS.length] ?? '#000'
  const path = points.map(([size, value]) => `${scale.x(size)},${scale.y(value)}`).join(' ')
  const [size, value] = points.at(-1) ?? [1, 0]
  return [
    `<polyline points="${path}" fill="none" stroke="${colour}" stroke-width="2"/>`,
    ...points.map(([at, of]) => {
      return `<circle cx="${scale.x(at)}" cy="${scale.y(of)}" r="3" fill="${colour}"/>`
    }),
    text(scale.x(size) + 8, scale.y(value) + 4, name, 'start', colour),
  ]
}

function text(x: number, y: number, says: string, ...[anchor, fill = '#222']: string[]): string {
  const safe = says.replaceAll('&', '&amp;').replaceAll('<', '&lt;')
  return `<text x="${x}" y="${y}" text-anchor="${anchor}" fill="${fill}">${safe}</text>`
}

/** The next of 1, 2 and 5 times a power of ten. */
function roundUp(value: number): number {
  if (value <= 0) return 1
  const power = 10 ** Math.floor(Math.log10(value))
  return ([1, 2, 5, 10].find((times) => times * power >= value) ?? 10) * power
}

function round(value: number): number {
  return Math.round(100 * value) / 100
}
