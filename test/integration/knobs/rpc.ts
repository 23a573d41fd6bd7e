/** What the knobs of `[rpc]` change. */

import { Registry, silentLog } from '../../../src/base/index.ts'
import type { Channel } from '../../../src/net/index.ts'
import type { NodeConfig } from '../../../src/node/index.ts'
import { RpcClient, RpcServer, rpcMetrics } from '../../../src/rpc/index.ts'
import { decodeAnswer, encodeRequest, rpcProtocol } from '../../../src/rpc/protocol.ts'
import { MemoryNet } from '../../support/channel-pair.ts'
import { signerOf } from '../../support/dht-fixture.ts'
import { FakeClock } from '../../support/fake-clock.ts'
import { type Observations, type Observe, quiet, timeOf } from './observation.ts'

const [US, PEER, OTHER] = [signerOf(1).peer, signerOf(2).peer, signerOf(3).peer]
const WITHIN = { stepMs: 100, maxMs: 20_000 }

/** A client before two peers that read and never answer, or answer all. */
async function client({ rpc }: NodeConfig, answers: boolean) {
  const net = new MemoryNet()
  const clock = new FakeClock()
  let asked = 0
  const serve = async (channel: Channel): Promise<void> => {
    for (;;) {
      if ((await channel.read()) === undefined) return
      asked += 1
    }
  }
  const metrics = rpcMetrics(new Registry())
  const common = { network: 'main', clock, log: silentLog, metrics }
  for (const peer of [PEER, OTHER]) {
    if (!answers) await net.host(peer).handle(rpcProtocol('main'), serve)
    else {
      const policy = { admit: () => undefined }
      const server = new RpcServer({ ...common, host: net.host(peer), policy }, rpc)
      server.handle('echo', async (payload) => payload)
      await server.start()
    }
  }
  const made = new RpcClient({ ...common, host: net.host(US) }, rpc)
  await made.start()
  return { client: made, clock, net, asked: () => asked }
}

/** A server with a method that never ends, and a peer that speaks in frames. */
async function server({ rpc }: NodeConfig) {
  const net = new MemoryNet()
  const clock = new FakeClock()
  const deps = { network: 'main', clock, log: silentLog, metrics: rpcMetrics(new Registry()) }
  const policy = { admit: () => undefined }
  const made = new RpcServer({ ...deps, host: net.host(US), policy }, rpc)
  made.handle('hang', () => new Promise(() => undefined))
  await made.start()
  const open = (peer = PEER) => net.host(peer).open(US, rpcProtocol('main'))
  return { clock, open }
}

const callTime: Observe = async (config, made) => {
  const { client: rpc, clock } = await client(config, false)
  made()
  return timeOf(clock, rpc.call(PEER, 'echo', 1), WITHIN)
}

const serveTime: Observe = async (config, made) => {
  const { clock, open } = await server(config)
  made()
  const channel = await open()
  await channel.write(encodeRequest({ id: 1, method: 'hang', payload: null }))
  return timeOf(clock, channel.read(), WITHIN)
}

/** How many of 70 calls reach a silent peer, and how many fail at once. */
const underWay: Observe = async (config, made) => {
  const { client: rpc, asked } = await client(config, false)
  made()
  let refused = 0
  for (let i = 0; i < 70; i += 1) {
    rpc.call(PEER, 'echo', i).catch(() => {
      refused += 1
    })
  }
  await quiet(400)
  return { asked: asked(), refused }
}

const servedAtOnce: Observe = async (config, made) => {
  const { open } = await server(config)
  made()
  const channel = await open()
  for (let id = 1; id <= 3; id += 1) {
    await channel.write(encodeRequest({ id, method: 'hang', payload: null }))
  }
  const first = channel.read().then((frame) => frame && decodeAnswer(frame).ok)
  return Promise.race([first, quiet(200).then(() => 'all are served')])
}

const streamsKept: Observe = async (config, made) => {
  const { client: rpc, net } = await client(config, true)
  made()
  for (const peer of [PEER, OTHER, PEER]) await rpc.call(peer, 'echo', 1)
  return net.opened.length
}

const idleTime: Observe = async (config) => {
  const { client: rpc, clock, net } = await client(config, true)
  await rpc.call(PEER, 'echo', 1)
  const closed = new Promise((resolve) => {
    net.opened[0]?.[0].closed.addEventListener('abort', resolve)
  })
  return timeOf(clock, closed, { stepMs: 1_000, maxMs: 60_000 })
}

export const rpcObservations: Observations = {
  'rpc.call_timeout': { value: 2, observe: callTime },
  'rpc.serve_timeout': { value: 2, observe: serveTime },
  'rpc.in_flight_per_peer_max': { value: 3, observe: underWay },
  'rpc.waiting_per_peer_max': { value: 0, observe: underWay },
  'rpc.serving_max': { value: 2, observe: servedAtOnce },
  'rpc.peers_max': { value: 1, observe: streamsKept },
  'rpc.idle': { value: 10, observe: idleTime },
}
