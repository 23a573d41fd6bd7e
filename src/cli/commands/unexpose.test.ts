import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setup } from '../../../test/support/cli-context.ts'
import { coded } from '../../../test/support/expect.ts'
import { unexpose } from './unexpose.ts'

test('unexpose withdraws the service', async () => {
  const names: string[] = []
  const node = {
    async unexpose(name: string) {
      names.push(name)
    },
  }
  const { context, printed, seen } = setup({ args: ['everything'], node, json: true })
  await unexpose.run(context)
  assert.deepEqual(names, ['everything'])
  assert.deepEqual(printed(), { service: 'everything', state: 'stopped' })
  assert.equal(seen.closed, 1)
})

test('unexpose refuses no name before it connects', async () => {
  const { context, seen } = setup()
  await assert.rejects(unexpose.run(context), coded('CLI_USAGE'))
  assert.equal(seen.connects, 0)
})
