import assert from 'node:assert/strict'
import { test } from 'node:test'
import { AGENTS_NETWORK, agentOf, preKeysOf } from '../../test/support/agents.ts'
import { FakeClock } from '../../test/support/fake-clock.ts'
import { openEthValue } from '../dht/index.ts'
import { OwnRecord, type OwnRecordDeps } from './own-record.ts'

const NOW_MS = 1_800_000_000_000
const HOUR_MS = 3_600_000
const alice = agentOf(1)

function setup(over: Partial<OwnRecordDeps> = {}) {
  const clock = new FakeClock(NOW_MS)
  const { eth, node: signer } = alice
  const preKeys = preKeysOf(alice, clock)
  const own = new OwnRecord({ eth, signer, preKeys, clock, network: AGENTS_NETWORK, ...over })
  return { clock, own }
}

test('what it says holds for whoever reads it, and is the same until half a day is over', async () => {
  const { clock, own } = setup()
  assert.equal(own.latest, undefined)
  const said = await own.current()
  assert.equal(own.latest, said)
  const at = { network: AGENTS_NETWORK, nowMs: NOW_MS }
  const { binding, preKeys } = openEthValue(said.value, at)
  assert.deepEqual([binding.address, binding.peer], [alice.eth.address, alice.node.peer])
  assert.deepEqual([preKeys.length, openEthValue(said.brief, at).preKeys.length], [1, 0])
  assert.ok(said.value.length < 2_048 && said.bindingBytes.length < 512)

  await clock.advance(12 * HOUR_MS - 1)
  assert.equal(await own.current(), said)
  await clock.advance(1)
  const later = await own.current()
  assert.ok(later.binding.version > said.binding.version)
})

test('each is above the last and above what others have, also when the clock was set back', async () => {
  const { own } = setup()
  const versions = [await own.renew(), await own.renew(), await own.renew(NOW_MS + 100)]
  assert.deepEqual(
    versions.map(({ binding }) => binding.version),
    [NOW_MS, NOW_MS + 1, NOW_MS + 101],
  )
})

test('a clock that was ahead and is set back leaves no binding that nobody takes', async () => {
  let aheadMs = HOUR_MS
  const now = () => NOW_MS + aheadMs
  const { own } = setup({ clock: { now } })
  await own.current()
  aheadMs = 0
  const { binding } = await own.current()
  assert.deepEqual([binding.issuedMs, binding.version], [NOW_MS, NOW_MS])
  assert.equal((await own.current()).binding, binding)
})

test('what could not be made is made the next time', async () => {
  let fails = true
  const preKeys = {
    async current() {
      if (fails) throw new TypeError('the disk is full')
      return []
    },
  }
  const { own } = setup({ preKeys })
  await assert.rejects(own.current(), /disk is full/)
  fails = false
  assert.deepEqual((await own.current()).preKeys, [])
})
