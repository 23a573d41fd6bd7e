import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { ALICE, setup } from '../../../test/support/cli-context.ts'
import { keys } from '../../node/toml-map.ts'
import type { Daemon, StartOptions } from '../rooms.ts'
import { bootstrap } from './bootstrap.ts'
import { start } from './start.ts'

const FAR = `/ip4/203.0.113.7/tcp/9000/p2p/${ALICE}`
const LISTEN = [`/ip4/127.0.0.1/tcp/9000/p2p/${ALICE}`, FAR]

async function runs(options: Readonly<Record<string, string>>, listen: readonly string[] = LISTEN) {
  const controller = new AbortController()
  const asked: StartOptions[] = []
  const status = { version: '0.1.0', network: 'main', words: null, ethAddress: null, peers: 0 }
  const daemon: Daemon = {
    node: { peerId: ALICE, status: () => status as ReturnType<Daemon['node']['status']> },
    api: 'http://127.0.0.1:9002',
    mcp: null,
    grpc: null,
    tokenFile: '/data/api.token',
    listen,
    dataDir: '/data',
    notices: [],
    calls: () => 0,
    served: () => 0,
    stop: async () => undefined,
  }
  const startDaemon = async (given: StartOptions) => {
    asked.push(given)
    return daemon
  }
  const made = setup({ options, rooms: { startDaemon }, signal: controller.signal })
  const running = bootstrap.run(made.context)
  await setImmediate()
  controller.abort()
  await running
  return { shown: made.stdout.text, flags: asked[0]?.flags }
}

test('bootstrap is a start with the preset of first peers', async () => {
  const { flags, shown } = await runs({ network: 'lab' })
  assert.deepEqual(flags, { network: 'lab', preset: 'bootstrap' })
  assert.ok(shown.includes(`p2p start --bootstrap ${FAR}\n`), shown)
  assert.ok(shown.includes(`p2p config set bootstrap.nodes '["${FAR}"]'\n`), shown)
  const preset = bootstrap.options?.find(({ flags: text }) => text.startsWith('--preset'))
  assert.equal(preset, undefined)
  assert.equal(bootstrap.options?.length, start.options?.length)
})

test('each region has its key in the file', async () => {
  const region = bootstrap.options?.find(({ flags }) => flags.startsWith('--region'))
  assert.equal(region?.choices?.length, 4)
  for (const name of region.choices) {
    const { shown } = await runs({ region: name })
    const [, key = ''] = /config set (\S+) /.exec(shown) ?? []
    assert.equal(key, `bootstrap.${name.replaceAll('-', '_')}`)
    assert.ok(keys.has(key), key)
  }
})

test('who listens on loopback alone still says where; who listens nowhere says nothing', async () => {
  const near = LISTEN.slice(0, 1)
  assert.ok((await runs({}, near)).shown.includes(`p2p start --bootstrap ${near[0]}\n`))
  assert.doesNotMatch((await runs({}, [])).shown, /--bootstrap|config set/)
})
