import assert from 'node:assert/strict'
import { test } from 'node:test'
import { agentOf } from '../../test/support/agents.ts'
import { coded } from '../../test/support/expect.ts'
import type { AgentInfo } from '../agent/index.ts'
import { agentsFace } from './agents-face.ts'
import type { Parts } from './compose.ts'

const { eth, node } = agentOf(1)
const info: AgentInfo = {
  address: eth.address,
  peer: node.peer,
  name: 'alice',
  connectedSince: 1,
  lastSeen: 2,
}

test('an address in any case is looked up as EIP-55 has it', async () => {
  const asked: string[] = []
  const find = async (address: string) => {
    asked.push(address)
    return undefined
  }
  const agent = { presence: { find }, announcer: { agents: () => [info] } }
  const face = agentsFace(() => ({ agent }) as unknown as Parts)
  assert.deepEqual(face.list(), [info])
  assert.equal(await face.find(eth.address.toLowerCase()), undefined)
  assert.deepEqual(asked, [eth.address])
  await assert.rejects(face.find('alice'), coded('IDENTITY_ETH_ADDRESS_INVALID'))
})

test('a node without an agent says which key turns it on', async () => {
  const face = agentsFace(() => ({ agent: null }) as Parts)
  assert.throws(() => face.list(), coded('NODE_SECTION_OFF'))
  await assert.rejects(face.find(eth.address), coded('NODE_SECTION_OFF'))
})
