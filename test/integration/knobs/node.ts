/** What those knobs change that decide which parts a node has, and under which name. */

import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Registry, seededRandom, silentLog } from '../../../src/base/index.ts'
import { generateKeys } from '../../../src/identity/index.ts'
import { compose } from '../../../src/node/compose.ts'
import { checkPeerId, type NodeConfig, openNode } from '../../../src/node/index.ts'
import { signerOf } from '../../support/dht-fixture.ts'
import { FakeClock } from '../../support/fake-clock.ts'
import { type Observations, type Observe, outcome, quiet } from './observation.ts'

const OTHER = '/ip4/127.0.0.1/tcp/2'

/** The parts of a node, put together and not started. */
async function composed(config: NodeConfig) {
  const dataDir = await mkdtemp(join(tmpdir(), 'p2p-knobs-'))
  const keys = generateKeys(seededRandom('knobs'))
  const given = { keys, registry: new Registry(), clock: new FakeClock(), log: silentLog }
  const room = { ...given, random: seededRandom('node'), version: '0', injected: {} }
  const parts = await compose({ ...config, dataDir }, room)
  const stop = async () => {
    const store = parts.services.find(({ name }) => name === 'records')
    await store?.stop()
    await rm(dataDir, { recursive: true })
  }
  return { parts, dataDir, [Symbol.asyncDispose]: stop }
}

/** What a node that was put together has on disk. */
const written: Observe = async (config) => {
  await using node = await composed(config)
  return await readdir(node.dataDir)
}

/** The standard tools of a node that was put together, by name and with what they say. */
const offered: Observe = async (config) => {
  await using node = await composed(config)
  const { standard, mcp } = node.parts
  const unasked = () => {
    throw new TypeError('nobody asked')
  }
  standard?.attach({ status: unasked, resources: unasked, reconfigure: unasked })
  await standard?.start()
  const [service] = mcp?.services.list() ?? []
  return service?.tools.map(({ name, description }) => ({ name, description }))
}

const has: Observe = async (config) => {
  await using node = await composed(config)
  const { dht, mdns, mcp, pubsub } = node.parts
  return { dht: dht !== null, mdns: mdns !== null, mcp: mcp !== null, topics: pubsub !== null }
}

/** The protocols that peers are answered on. */
const spoken: Observe = async (config) => {
  await using node = await composed(config)
  const { host, services } = node.parts
  const ids: string[] = []
  host.handle = async ({ id }) => void ids.push(id)
  for (const name of ['rpc-server', 'mcp server']) {
    const service = services.find((one) => one.name === name)
    await service?.start()
    await service?.stop()
  }
  return ids
}

/** Whom the node dials first. */
const dialled: Observe = async (config, made) => {
  await using node = await composed(config)
  const { host, bootstrap } = node.parts
  const targets: string[] = []
  host.connect = async (target) => {
    targets.push(target)
    throw new TypeError('nobody is there')
  }
  made()
  await bootstrap.start()
  await quiet()
  await bootstrap.stop()
  return targets
}

/** Whom the node stays connected to. */
const kept: Observe = async (config) => {
  await using node = await composed(config)
  const { wanted } = node.parts.staying
  node.parts.host.connect = () => new Promise(() => undefined)
  await wanted.start()
  const targets = wanted.list().map(({ target }) => target)
  void wanted.stop()
  return targets
}

/** Whom the node dials that has peers enough. */
const dialledBesides: Observe = async (config, made) => {
  await using node = await composed(config)
  const { host, bootstrap } = node.parts
  const targets: string[] = []
  const peers = [2, 3, 4].map((seed) => signerOf(seed).peer)
  const link = { address: OTHER, direction: 'outbound', transport: 'tcp', path: 'direct' } as const
  host.connections = () => peers.map((peer) => ({ ...link, peer, openedAtMs: 0, streams: 0 }))
  host.connect = async (target) => {
    targets.push(target)
    throw new TypeError('nobody is there')
  }
  made()
  await bootstrap.start()
  await quiet()
  await bootstrap.stop()
  return targets
}

/** Whether a key of another name may be used. */
const named: Observe = (config) => {
  return outcome(() => checkPeerId(config, signerOf(2).peer, 'identity.key'))
}

/** Where a node has left its files. */
const settled: Observe = async (config) => {
  const elsewhere = join(tmpdir(), `p2p-knobs-default-${process.pid}`)
  const { dataDir = elsewhere } = config
  const node = await openNode({ ...config, dataDir }, { version: '0', writeLog: () => undefined })
  const { path } = node.dataDir
  await node.stop()
  await rm(path, { recursive: true })
  return path
}

export const nodeObservations: Observations = {
  'mcp.available_tools': { value: ['get_status', 'find_peers'], observe: offered },
  'mcp.inference': {
    value: { one: { kind: 'onnx', file: '/model.onnx', model: 'linear' } },
    observe: offered,
  },
  'network.preset': { value: 'private', observe: has },
  'network.name': { value: 'other', observe: spoken },
  'network.peer_id': { value: signerOf(1).peer, observe: named },
  'network.data': { value: join(tmpdir(), `p2p-knobs-${process.pid}`), observe: settled },
  'network.mdns': { value: true, observe: has },
  'bootstrap.nodes': { value: [OTHER], observe: dialled },
  'bootstrap.us_east_virginia': { value: [OTHER], observe: dialled },
  'bootstrap.us_west_oregon': { value: [OTHER], observe: dialled },
  'bootstrap.eu_west_amsterdam': { value: [OTHER], observe: dialled },
  'bootstrap.sea_singapore': { value: [OTHER], observe: dialled },
  'bootstrap.wanted': { value: [OTHER], observe: kept },
  'bootstrap.keep_all': {
    value: true,
    observe: dialledBesides,
    beside: { 'bootstrap.nodes': [OTHER] },
  },
  'dht.persist': { value: false, observe: written },
  'dht.enabled': { value: false, observe: has },
  'mcp.enabled': { value: false, observe: has },
  'pubsub.enabled': { value: false, observe: has },
}
