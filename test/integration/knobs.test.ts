/** Every key of the configuration, changed one at a time, changes something that is observed. */

import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { configFrom } from '../../src/node/check-settings.ts'
import type { NodeConfig } from '../../src/node/index.ts'
import { AT_ONCE, reconfigure } from '../../src/node/reconfigure.ts'
import { keys } from '../../src/node/toml-map.ts'
import { accessObservations } from './knobs/access.ts'
import { agentObservations } from './knobs/agent.ts'
import { agentMailboxObservations } from './knobs/agent-mailbox.ts'
import { agentMessageObservations } from './knobs/agent-messages.ts'
import { agentOpenPondObservations } from './knobs/agent-openpond.ts'
import { channelObservations } from './knobs/channel.ts'
import { controlObservations } from './knobs/control.ts'
import { dhtObservations } from './knobs/dht.ts'
import { dhtDatagramObservations } from './knobs/dht-datagrams.ts'
import { dhtWriteObservations } from './knobs/dht-writes.ts'
import { evmObservations } from './knobs/evm.ts'
import { mcpObservations } from './knobs/mcp.ts'
import { mcpCallObservations } from './knobs/mcp-calls.ts'
import { mcpCatalogObservations } from './knobs/mcp-catalog.ts'
import { mcpPlugInObservations } from './knobs/mcp-plug-ins.ts'
import { mcpResultObservations } from './knobs/mcp-results.ts'
import { netObservations } from './knobs/net.ts'
import { nodeObservations } from './knobs/node.ts'
import type { Observation, Rooms } from './knobs/observation.ts'
import { portmapObservations } from './knobs/portmap.ts'
import { pubsubObservations } from './knobs/pubsub.ts'
import { relayObservations } from './knobs/relay.ts'
import { rpcObservations } from './knobs/rpc.ts'

const all: Readonly<Record<string, Observation>> = {
  ...nodeObservations,
  ...mcpCatalogObservations,
  ...netObservations,
  ...relayObservations,
  ...channelObservations,
  ...portmapObservations,
  ...dhtObservations,
  ...dhtDatagramObservations,
  ...dhtWriteObservations,
  ...rpcObservations,
  ...pubsubObservations,
  ...evmObservations,
  ...mcpObservations,
  ...mcpPlugInObservations,
  ...mcpResultObservations,
  ...mcpCallObservations,
  ...accessObservations,
  ...agentObservations,
  ...agentMailboxObservations,
  ...agentMessageObservations,
  ...agentOpenPondObservations,
  ...controlObservations,
}

test('every key that can be set has an observation, and no observation is of another', () => {
  assert.deepEqual(Object.keys(all).sort(), [...keys.keys()].sort())
})

/** A configuration that starts on this machine without meeting anybody. */
function configWith(settings: Readonly<Record<string, unknown>>): NodeConfig {
  const whole = { 'network.preset': 'test', ...settings }
  return configFrom(Object.entries(whole).map(([toml, value]) => ({ toml, value, where: 'test' })))
}

const nobody: Rooms = {}

suite('turned one at a time', { concurrency: 8 }, () => {
  for (const [toml, { value, observe, beside = {} }] of Object.entries(all)) {
    test(toml, async () => {
      const before = await observe(configWith(beside), () => undefined)
      const after = await observe(configWith({ ...beside, [toml]: value }), () => undefined)
      assert.notDeepEqual(after, before, `${toml} = ${JSON.stringify(value)} changes nothing`)
      const { code = '' } = keys.get(toml) ?? {}
      if (!AT_ONCE.has(code)) return

      const config = configWith(beside)
      const turned = await observe(config, (rooms = nobody) => {
        const { policy = { reconfigure: () => undefined }, log = { setLevels: () => undefined } } =
          rooms
        const { now } = reconfigure(config, { [toml]: value }, { policy, log })
        assert.deepEqual(now, [toml])
      })
      assert.deepEqual(turned, after, `${toml} does not apply at once`)
    })
  }
})
