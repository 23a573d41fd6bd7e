/** What the knobs of `[channel]` change. */

import { seededRandom, silentLog } from '../../../src/base/index.ts'
import type { PeerId } from '../../../src/identity/index.ts'
import { type ChannelConfig, LastingChannels } from '../../../src/net/index.ts'
import { MemoryNet } from '../../support/channel-pair.ts'
import { signerOf } from '../../support/dht-fixture.ts'
import { FakeClock } from '../../support/fake-clock.ts'
import { type Observations, type Observe, outcome, quiet, timeOf } from './observation.ts'

const US = signerOf(1).peer
const PEERS = Array.from({ length: 20 }, (_, i) => signerOf(i + 2).peer)
const [PEER] = PEERS as [PeerId]

/** Channels of ours, and of peers that serve everybody and read nothing. */
async function world(config: ChannelConfig) {
  const net = new MemoryNet()
  const clock = new FakeClock(1_000)
  const state = { gone: false }
  const connect = async () => {
    if (state.gone) throw new TypeError('nobody is there')
  }
  const node = async (self: PeerId, knobs?: ChannelConfig) => {
    const nobody = { connections: () => [], ping: async () => 0, disconnect: async () => undefined }
    const host = { ...net.host(self), ...nobody }
    const random = seededRandom(self)
    const deps = { host, find: connect, connect, network: 'main', clock, random, log: silentLog }
    const made = new LastingChannels(deps, knobs ?? config)
    made.serve('knob/1', () => new Promise(() => undefined))
    await made.start()
    return made
  }
  const wide = { ...config, perPeerMax: 64, sessionsMax: 10_000 }
  for (const peer of PEERS) await node(peer, wide)
  return { ours: await node(US), net, clock, state }
}

/** How many frames of this size are taken while nobody reads. */
function framesKept(bytes: number): Observe {
  return async ({ channel }) => {
    const { ours } = await world(channel)
    const open = await ours.open(PEER, 'knob/1')
    let kept = 0
    for (let i = 0; i < 1_200; i += 1) {
      open.write(new Uint8Array(bytes)).then(
        () => {
          kept += 1
        },
        () => undefined,
      )
    }
    await quiet()
    return kept
  }
}

const writeTime: Observe = async ({ channel }) => {
  const { ours, clock } = await world({ ...channel, bufferFramesMax: 1 })
  const open = await ours.open(PEER, 'knob/1')
  await open.write(new Uint8Array(1))
  return timeOf(clock, open.write(new Uint8Array(1)), { stepMs: 500, maxMs: 60_000 })
}

const resumeTime: Observe = async ({ channel }) => {
  const { ours, clock, net, state } = await world(channel)
  const open = await ours.open(PEER, 'knob/1')
  const over = new Promise((resolve) => {
    open.closed.addEventListener('abort', resolve)
  })
  state.gone = true
  for (const [near] of net.opened) near.abort(new TypeError('cut'))
  return timeOf(clock, over, { stepMs: 1_000, maxMs: 400_000 })
}

/** How many channels to these peers can be open at once. */
function channelsOpen(peers: readonly PeerId[]): Observe {
  return async ({ channel }) => {
    const { ours } = await world(channel)
    let open = 0
    for (let i = 0; i < 320; i += 1) {
      const peer = peers[i % peers.length] ?? PEER
      if ((await outcome(() => ours.open(peer, 'knob/1'))) === 'ok') open += 1
    }
    return open
  }
}

export const channelObservations: Observations = {
  'channel.buffer_frames_max': { value: 10, observe: framesKept(1) },
  'channel.buffer_bytes_max': { value: 300_000, observe: framesKept(100_000) },
  'channel.write_timeout': { value: 2, observe: writeTime },
  'channel.resume_timeout': { value: 20, observe: resumeTime },
  'channel.per_peer_max': { value: 2, observe: channelsOpen([PEER]) },
  'channel.sessions_max': { value: 20, observe: channelsOpen(PEERS) },
}
