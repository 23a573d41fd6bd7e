import assert from 'node:assert/strict'
import { test } from 'node:test'
import { BOB, setup } from '../../../test/support/cli-context.ts'
import { coded } from '../../../test/support/expect.ts'
import { CodedError } from '../../base/index.ts'
import { connect } from './connect.ts'

test('connect hands the target on and prints who answered', async () => {
  const targets: string[] = []
  const node = {
    async connect(target: string) {
      targets.push(target)
      return BOB
    },
  }
  const { context, printed, seen } = setup({ args: ['/ip4/1.2.3.4/tcp/9'], node, json: true })
  await connect.run(context)
  assert.deepEqual(targets, ['/ip4/1.2.3.4/tcp/9'])
  assert.deepEqual(printed(), { peer: BOB })
  assert.equal(seen.closed, 1)
})

test('connect refuses no target before it connects', async () => {
  const { context, seen } = setup({ args: [] })
  await assert.rejects(connect.run(context), coded('CLI_USAGE'))
  assert.equal(seen.connects, 0)
})

for (const [raised, wanted] of [
  ['NET_ADDRESS_INVALID', 'CLI_USAGE'],
  ['NET_CONNECT_FAILED', 'NET_CONNECT_FAILED'],
] as const) {
  test(`connect answers ${wanted} where the node says ${raised}`, async () => {
    const node = {
      connect: () => Promise.reject(new CodedError(raised, {}, { says: () => 'what was found' })),
    }
    const { context, seen } = setup({ args: ['/nonsense'], node })
    await assert.rejects(connect.run(context), coded(wanted))
    assert.equal(seen.closed, 1)
  })
}
