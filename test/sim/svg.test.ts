import assert from 'node:assert/strict'
import { test } from 'node:test'
import { svgOf } from './svg.ts'

const plot = {
  title: 'a < b & c',
  x: 'nodes',
  y: 'questions',
  lines: [
    {
      name: 'ours',
      points: [
        [100, 10],
        [1_000, 20],
        [10_000, 30],
      ] as const,
    },
    {
      name: 'theirs',
      points: [
        [100, 40],
        [10_000, 50],
      ] as const,
    },
  ],
}

test('svgOf() draws a line for each, with sizes on a logarithmic axis and values from 0', () => {
  const svg = svgOf(plot)
  const lines = [...svg.matchAll(/polyline points="([^"]+)"/g)].map(([, points = '']) => {
    return points.split(' ').map((point) => point.split(',').map(Number))
  })
  assert.equal(lines.length, 2)
  const [a, b, c] = lines[0] ?? []
  assert.ok(a && b && c)
  assert.ok(Math.abs((a[0] ?? 0) + (c[0] ?? 0) - 2 * (b[0] ?? 0)) < 0.1, 'equal steps')
  assert.ok((a[1] ?? 0) > (b[1] ?? 0), 'more is higher up')
})

test('svgOf() is text that is safe to put into a page', () => {
  const svg = svgOf(plot)
  assert.match(svg, /a &lt; b &amp; c/)
  assert.doesNotMatch(svg, /NaN|undefined|Infinity/)
  assert.doesNotMatch(svgOf({ ...plot, lines: [] }), /NaN|undefined|Infinity/)
})
