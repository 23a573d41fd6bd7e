import assert from 'node:assert/strict'
import { test } from 'node:test'
import { BOB, setup } from '../../../test/support/cli-context.ts'
import { tools } from './tools.ts'

const entry = {
  service: 'everything',
  tool: 'get-sum',
  peer: BOB,
  description: `\u001b[2Jadds ${'x'.repeat(100)}`,
  idempotent: true,
}

function asked(options = {}, json = true) {
  const queries: unknown[] = []
  const node = {
    async tools(query = {}) {
      queries.push(query)
      return [entry]
    },
  }
  return { ...setup({ options, node, json }), queries }
}

test('tools prints the list of the contract', async () => {
  const { context, printed, queries, seen } = asked()
  await tools.run(context)
  assert.deepEqual(printed(), [entry])
  assert.deepEqual(queries, [{}])
  assert.equal(seen.closed, 1)
})

test('tools asks for one tool or one service', async () => {
  const { context, queries } = asked({ tool: 'get-sum', service: 'everything' })
  await tools.run(context)
  assert.deepEqual(queries, [{ tool: 'get-sum', service: 'everything' }])
})

test('tools shows strangers’ text shortened and without escape sequences', async () => {
  const { context, stdout } = asked({}, false)
  await tools.run(context)
  assert.ok(!stdout.text.includes('\u001b'))
  const row = stdout.text.split('\n')[1] ?? ''
  assert.match(row, new RegExp(`^get-sum +everything +${BOB} +yes +adds x+…$`))
})

test('tools says where to look when there are none', async () => {
  const { context, stdout } = setup({ node: { tools: async () => [] } })
  await tools.run(context)
  assert.match(stdout.text, /No tools found.*p2p peers/)
})
