/**
 * How long an 8 MiB text result takes from a tool behind one node to a caller at another, over
 * QUIC and over TCP, all checks on. `npm run bench:big-result`
 */

import { addressOf, eventually, fixtureService, testNode } from '../support/nodes.ts'

const MIB = 8
const ROUNDS = 7

for (const [kind, transport] of [
  ['udp', 'quic'],
  ['tcp', 'tcp'],
] as const) {
  await using far = await testNode()
  await using near = await testNode({ bootstrap: { nodes: [addressOf(far, kind)] } })
  await far.node.services.expose(fixtureService('fixture'), { detached: false })
  await eventually(async () => (await near.node.tools.find({ tool: 'big' })).at(0))
  const times: number[] = []
  for (let round = 0; round < ROUNDS; round += 1) {
    const began = performance.now()
    await near.node.tools.call('big', { mib: MIB })
    times.push(Math.round(performance.now() - began))
  }
  const [first = 0, ...rest] = times
  const sorted = rest.toSorted((a, b) => a - b)
  const [min = 0, median = 0, max = 0] = [sorted.at(0), sorted[sorted.length >> 1], sorted.at(-1)]
  process.stdout.write(
    `${JSON.stringify({ name: 'big-result', transport, mib: MIB, firstMs: first, min, median, max })}\n`,
  )
}
