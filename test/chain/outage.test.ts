/** The registry as a node uses it, while its chain comes and goes (issue 7, must show 5). */

import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { agentConfig, RegistryGate, registryMetrics } from '../../src/agent/index.ts'
import { Registry, secureRandom, silentLog } from '../../src/base/index.ts'
import { ethAddress } from '../../src/identity/index.ts'
import { FakeClock } from '../support/fake-clock.ts'
import { missing, startAnvil } from './anvil.ts'
import { registryNet, type User } from './fixture.ts'

assert.equal(missing(), undefined)

const NOBODY = ethAddress(`0x${'0'.repeat(40)}`)
const FIVE_MINUTES_MS = 300_000

test('the chain is down for 5 minutes: who was allowed goes on, and the state says so', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'p2p-chain-'))
  t.after(() => rm(folder, { recursive: true, force: true }))
  const state = join(folder, 'state.json')
  await using net = await registryNet({ state })
  const [us, friend, foe, late] = net.others as [User, User, User, User]
  for (const user of [us, friend, foe]) {
    await net.write(user, { name: 'registerAgent', args: ['agent', '{}', NOBODY] })
  }
  await net.write(us, { name: 'blockAgent', args: [foe.address] })

  const clock = new FakeClock(1_000_000)
  const metrics = registryMetrics(new Registry())
  const common = { clock, random: secureRandom, log: silentLog, metrics }
  const gate = new RegistryGate(
    { ...common, registry: net.registry, self: us.address },
    agentConfig.parse({ requireRegistered: true, registryCacheMs: 10_000 }),
  )
  const verdicts = async () => {
    const found = await Promise.all([friend, foe, late].map(({ address }) => gate.admits(address)))
    return found.map((verdict) => (verdict.allowed ? 'allowed' : verdict.reason))
  }
  assert.deepEqual(await verdicts(), ['allowed', 'blocked', 'unregistered'])

  await net.anvil.stop()
  for (let ms = 0; ms < FIVE_MINUTES_MS; ms += 20_000) {
    await clock.advance(20_000)
    assert.deepEqual(await verdicts(), ['allowed', 'blocked', 'unregistered'])
    assert.equal(gate.state().state, 'unavailable')
    assert.match(gate.state().reason ?? '', /127\.0\.0\.1.*ECONNREFUSED/)
  }
  assert.deepEqual(await gate.admits(net.owner.address), { allowed: false, reason: 'unavailable' })

  await using again = await startAnvil({ port: net.anvil.port, state })
  assert.equal(again.port, net.anvil.port)
  await net.write(late, { name: 'registerAgent', args: ['late', '{}', NOBODY] })
  await net.write(us, { name: 'unblockAgent', args: [foe.address] })
  await clock.advance(60_000)
  assert.deepEqual(await verdicts(), ['allowed', 'allowed', 'allowed'])
  assert.equal(gate.state().state, 'active')
})
