import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ask, codeOf, startControl } from '../../test/support/control.ts'
import { AGENT_INFO, PEER } from '../../test/support/served-node.ts'
import { AgentError } from '../agent/index.ts'

test('who is here, and which peer speaks for an address', async () => {
  await using control = await startControl()
  const here = await ask(`${control.api}/v1/agents`)
  assert.deepEqual([here.status, here.json], [200, [AGENT_INFO]])
  const { status, json } = await ask(`${control.api}/v1/agents/${AGENT_INFO.address}`)
  const addresses = ['/ip4/127.0.0.1/tcp/9000']
  const bound = { peer: PEER, version: 7, expires: 8, preKeys: 0, addresses }
  assert.deepEqual([status, json], [200, { address: AGENT_INFO.address, ...bound }])
})

test('an address that nobody has a record of is not found', async () => {
  const agents = { list: () => [], find: async () => undefined }
  await using control = await startControl({ over: { agents } })
  const reply = await ask(`${control.api}/v1/agents/${AGENT_INFO.address}`)
  assert.deepEqual([reply.status, codeOf(reply)], [404, 'CONTROL_AGENT_NOT_FOUND'])
})

test('an address for which not everybody could be asked may be found later', async () => {
  const error = AgentError.RECORD_UNCERTAIN({ address: '0x', answered: 1, failed: 2 })
  const agents = { list: () => [], find: () => Promise.reject(error) }
  await using control = await startControl({ over: { agents } })
  const reply = await ask(`${control.api}/v1/agents/${AGENT_INFO.address}`)
  assert.deepEqual([reply.status, codeOf(reply)], [503, 'AGENT_RECORD_UNCERTAIN'])
})
