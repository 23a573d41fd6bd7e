import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Emitter, silentLog } from '../../base/index.ts'
import { type PeerId, signerFromSeed } from '../../identity/index.ts'
import type { ToolArgs } from '../../mcp/index.ts'
import { nodeConfig } from '../config.ts'
import { type Changes, reconfigure } from '../reconfigure.ts'
import type { NodeStatus } from '../shapes.ts'
import { keys } from '../toml-map.ts'
import { Configuration } from './configuration.ts'
import { managementTools, OWNER_ONLY } from './management.ts'

const ALICE = signerFromSeed(new Uint8Array(32).fill(1)).peer

/** `configure` over a configuration whose file is a list of what was written. */
function setup() {
  const config = nodeConfig.parse({ preset: 'test' })
  const rooms = { policy: { reconfigure: () => undefined }, log: { setLevels: () => undefined } }
  const written: string[] = []
  const configuration = new Configuration({
    config,
    reconfigure: (changes: Changes) => reconfigure(config, changes, rooms),
    persist: async (key) => {
      written.push(key)
      return { file: 'config.toml', previous: null }
    },
  })
  const tools = managementTools({
    status: () => ({}) as NodeStatus,
    peers: async () => [],
    resources: () => ({}),
    configuration,
    events: new Emitter(() => undefined),
  })
  const tool = tools.find(({ info }) => info.name === 'configure')
  const run = async (args: ToolArgs, caller: PeerId | null) => {
    const { signal } = new AbortController()
    const context = { caller, signal, log: silentLog, correlationId: 'c' }
    const result = await tool?.run(args, context)
    return { isError: result?.isError === true, text: JSON.stringify(result?.content) }
  }
  return { run, written, config }
}

/** Written out, so that none leaves the list unseen. */
const OWNERS = [
  'agent.eth_key',
  'agent.openpond_compat',
  'agent.require_registered',
  'control.api_address',
  'control.expose_beyond_loopback',
  'control.grpc_address',
  'control.grpc_certificate_file',
  'control.grpc_key_file',
  'control.operation_timeout',
  'evm.registry_address',
  'evm.rpc_url',
  'mcp.approve',
  'mcp.expose_beyond_loopback',
  'mcp.inference',
  'mcp.server_address',
  'mcp.tools_folder',
  'network.data',
  'network.peer_id',
  'network.preset',
]

test('every name of the list is a key of the file, or the beginning of several', () => {
  const covered = (name: string) => {
    return [...keys.keys()].filter((key) => key === name || key.startsWith(`${name}.`))
  }
  for (const name of OWNER_ONLY) assert.notDeepEqual(covered(name), [], name)
  assert.deepEqual(OWNER_ONLY.flatMap(covered).sort(), OWNERS)
})

test('what decides who reaches this machine is for its owner, whatever a peer was granted', async () => {
  for (const key of [...OWNERS, 'mcp.inference.house']) {
    const { run, written } = setup()
    const { isError, text } = await run({ changes: { [key]: null }, persist: true }, ALICE)
    assert.ok(isError, key)
    assert.match(text, /NODE_TOOL_ARGUMENT.*owner/, key)
    assert.deepEqual(written, [], key)
  }
  const { run } = setup()
  const granted = await run({ changes: { 'mcp.attempts_max': 5 } }, ALICE)
  assert.equal(granted.isError, false, granted.text)
})

test('a peer takes back no change of what is for the owner', async () => {
  const { run, config } = setup()
  const owner = await run({ changes: { 'mcp.approve': 'ask', 'mcp.attempts_max': 5 } }, null)
  assert.equal(owner.isError, false, owner.text)
  assert.match((await run({ revert: true }, ALICE)).text, /NODE_TOOL_ARGUMENT.*owner/)
  assert.equal(config.mcp.attemptsMax, 5)
  assert.equal((await run({ revert: true }, null)).isError, false)
  assert.equal(config.mcp.attemptsMax, 3)
})

test('a key that is none of an object of its own is refused before anything is written', async () => {
  const { run, written } = setup()
  for (const key of ['log.modules.__proto__', '__proto__.x', 'log.modules.constructor']) {
    const changes = JSON.parse(`{${JSON.stringify(key)}: "debug"}`) as Record<string, string>
    const { isError, text } = await run({ changes, persist: true }, null)
    assert.ok(isError, `${key}: ${text}`)
  }
  assert.deepEqual(written, [])
})
