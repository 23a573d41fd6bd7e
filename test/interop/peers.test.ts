/**
 * Our nodes with peers of three makers, over three ways of securing a connection: every protocol
 * that we share. `node test/interop/table.ts` writes what passed to `docs/interop.md`.
 */

import { test } from 'node:test'
import { skipOutsideCi } from '../support/ci.ts'
import { addressOf, testNode } from '../support/nodes.ts'
import { CHECKS, type Table } from './checks.ts'
import { Probe } from './probe.ts'
import { type Program, programOf } from './programs.ts'
import { note, WAYS, type Way } from './table.ts'

for (const maker of ['go', 'rust', 'js'] as const) {
  test(`a peer of ${maker}-libp2p`, { timeout: 1_500_000 }, async (context) => {
    const program = programOf(maker)
    if (typeof program === 'string') {
      skipOutsideCi(context, program)
      return
    }
    for (const one of WAYS) {
      await context.test(`over ${one.way}`, async (inner) => {
        await using table = await laid(program, one)
        for (const check of CHECKS) {
          await inner.test(check.name, async () => {
            await check.run(table)
            note({ maker: program.what, way: one.way, check: check.name })
          })
        }
      })
    }
  })
}

async function laid(
  program: Program,
  { kind, security, listen }: Way,
): Promise<Table & AsyncDisposable> {
  const ours = await testNode()
  const other = await testNode({ bootstrap: { nodes: [addressOf(ours, kind)] } })
  const another = () => Probe.start(program, { listen: [listen], security, kad: '/p2p/test' })
  const theirs = await another()
  const dispose = async () => {
    for (const one of [theirs, other, ours]) await one[Symbol.asyncDispose]()
  }
  const ourAddress = addressOf(ours, kind)
  return { ours, other, theirs, ourAddress, another, [Symbol.asyncDispose]: dispose }
}
