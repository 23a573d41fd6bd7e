/**
 * Circuit relay v2 between makers: their relay with our peers, our relay with theirs, over three
 * ways of securing a connection. Leaving the relay needs NATs: `test/lab/interop-dcutr.test.ts`.
 */

import { test } from 'node:test'
import { startAll, stopAll } from '../../src/base/index.ts'
import type { Libp2pHost } from '../../src/net/index.ts'
import { skipOutsideCi } from '../support/ci.ts'
import { testHost } from '../support/testnet.ts'
import { Probe } from './probe.ts'
import { type Program, programOf } from './programs.ts'
import { RELAY_CHECKS, type RelayTable } from './relay-checks.ts'
import { note, WAYS, type Way } from './table.ts'

for (const maker of ['go', 'rust', 'js'] as const) {
  test(`relays of and for ${maker}-libp2p`, { timeout: 1_500_000 }, async (context) => {
    const program = programOf(maker)
    if (typeof program === 'string') {
      skipOutsideCi(context, program)
      return
    }
    for (const way of WAYS) {
      await context.test(`over ${way.way}`, async (inner) => {
        for (const check of RELAY_CHECKS) {
          await inner.test(check.name, { timeout: 60_000 }, async () => {
            await using table = await laid(program, way)
            await check.run(table)
            note({ maker: program.what, way: way.way, check: check.name })
          })
        }
      })
    }
  })
}

async function laid(
  program: Program,
  { kind, listen, security }: Way,
): Promise<RelayTable & AsyncDisposable> {
  const stack = new AsyncDisposableStack()
  const own: Libp2pHost[] = []
  stack.defer(() => stopAll(own))
  const our = async (relayServer: 'always' | 'never' = 'never') => {
    const config = { relayServer, holePunching: false, autonat: false } as const
    const host = await testHost({ listen: [listen], config, deps: { reachScope: 'loopback' } })
    own.push(host)
    await startAll([host])
    return host
  }
  const their = async (relay = false) => {
    return stack.use(await Probe.start(program, { listen: [listen], security, relay }))
  }
  const over = (addresses: readonly string[]) => {
    return addresses.find((one) => one.includes(`/127.0.0.1/${kind}/`)) ?? ''
  }
  try {
    const [ourRelay, theirRelay] = [await our('always'), await their(true)]
    return {
      ...{ ourRelay, theirRelay, our, their },
      ourAddress: over(ourRelay.addresses()),
      theirAddress: over(theirRelay.addresses),
      [Symbol.asyncDispose]: () => stack.disposeAsync(),
    }
  } catch (error) {
    await stack.disposeAsync()
    throw error
  }
}
