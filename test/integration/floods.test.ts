/**
 * Floods of records: the scenario `flood-keys` in short, and a flood over real streams against a
 * whole node. `npm run sim -- flood-keys` is the same with a million keys.
 */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { CodedError, utf8 } from '../../src/base/index.ts'
import { dhtProtocol } from '../../src/dht/protocol.ts'
import { parseRecordName } from '../../src/dht/validators.ts'
import { encodeMessage } from '../../src/dht/wire.ts'
import type { Channel } from '../../src/net/index.ts'
import { scenario } from '../sim/scenarios/flood-keys.ts'
import { recordBytes, signerOf } from '../support/dht-fixture.ts'
import { addressOf, eventually, testNode } from '../support/nodes.ts'
import { testHost } from '../support/testnet.ts'

const WORK_BITS = 0
const PUTS = 200

test('a flood of keys from one peer stays within its share, and honest records stay', async () => {
  const log = () => undefined
  const { missed, extra } = await scenario.run({ seed: 1, nodes: 2_000, adversaries: 0, log })
  assert.deepEqual(missed, [])
  assert.equal(extra.senderState, 'penalised')
  assert.equal(extra.heldForSender, 512)
})

test('the same seed gives the same flood, and another seed another', async () => {
  const runs = [7, 7, 8].map((seed) => {
    return scenario.run({ seed, nodes: 200, adversaries: 0, log: () => undefined })
  })
  const [first, again, other] = (await Promise.all(runs)).map(({ eventHash }) => eventHash)
  assert.equal(first, again)
  assert.notEqual(first, other)
})

test('whoever floods a node over streams loses them, and the records of others stay', async (t) => {
  await using victim = await testNode({ dht: { workBits: WORK_BITS } })
  const bootstrap = { nodes: [addressOf(victim, 'tcp')] }
  await using honest = await testNode({ dht: { workBits: WORK_BITS }, bootstrap })
  const key = `/data/${honest.node.peerId}/greeting`
  await honest.node.connect(addressOf(victim, 'tcp'))
  await eventually(async () => {
    const { stored } = await honest.node.dht.put(key, utf8('hello'))
    return stored.includes(victim.node.peerId) || undefined
  })

  const flooder = await testHost({ listen: ['/ip4/127.0.0.1/tcp/0'] })
  await flooder.start()
  try {
    await flooder.connect(addressOf(victim, 'tcp'))
    const protocol = dhtProtocol('test')
    const signer = signerOf(66)
    let streams = 0
    let channel: Channel | undefined
    for (let i = 0; i < PUTS; i += 1) {
      const name = parseRecordName(`/data/${signer.peer}/${i}`)
      const now = { issuedMs: Date.now(), network: 'test', workBits: WORK_BITS }
      const record = { key: name.bytes, value: await recordBytes(name, signer, now), receivedMs: 0 }
      try {
        channel ??= await flooder.open(victim.node.peerId, protocol)
        await channel.write(encodeMessage({ type: 'putValue', key: name.bytes, record }))
        if ((await channel.read()) === undefined) channel = undefined
      } catch (error) {
        assert.ok(error instanceof CodedError)
        channel = undefined
        streams += 1
      }
    }
    const { node } = victim
    const refused = await node.registry.total('p2p_access_refusals', { reason: 'peer' })
    const records = await node.registry.total('p2p_dht_records_stored', {})
    t.diagnostic(`${PUTS} puts: ${streams} streams lost, ${records} records, ${refused} refusals`)
    assert.ok(streams > 0, 'it lost a stream')
    assert.ok(refused > 0, 'the policy refused it')
    assert.ok(records < PUTS, `${records} records are stored`)
    assert.deepEqual((await node.dht.get(key)).value, utf8('hello'))
  } finally {
    await flooder.stop()
  }
})
