/** What a node is for, as the values that its other keys start from. */

import type { NodeOptions, Preset } from './config.ts'

const PRESET_OPTIONS: Readonly<Record<Preset, NodeOptions>> = {
  // The defaults are those of a public node.
  public: {},
  // A group that stays with its members: no DHT, no first peers; who is near, and who is told. And
  // no topics: whoever subscribes passes messages on, to strangers if it is connected to some.
  private: {
    dht: { enabled: false },
    pubsub: { enabled: false },
    bootstrap: { nodes: [], mdns: true },
    // Members are on one link, or reached at addresses that they know; strangers need no way in.
    net: { portMapping: false, relayServer: 'never' },
  },
  // Who speaks for an agent asks the network and stores nothing for it: those who run all the time
  // do that, as full nodes and first peers.
  agent: { dht: { mode: 'client' }, agent: { enabled: true } },
  // A first peer: many come to it at once, so it keeps more of everything, and it stays connected
  // to the other first peers, so that the network is one.
  bootstrap: {
    dht: {
      mode: 'server',
      bucketPeersMax: 200,
      siteBucketPeersMax: 20,
      sitePeersMax: 30,
      recordsMax: 65_536,
      bytesMax: 256 * 1_024 ** 2,
      streamsMax: 2_048,
    },
    bootstrap: { keepAll: true },
    net: {
      relayServer: 'always',
      connectionsMax: 4_000,
      pendingMax: 1_024,
      relayReservationsMax: 1_024,
      relayCircuitsMax: 1_024,
    },
  },
  // Many nodes on one machine that meet nobody else and take whatever ports are free.
  test: {
    network: 'test',
    net: {
      listen: ['/ip4/127.0.0.1/tcp/0', '/ip4/127.0.0.1/udp/0/quic-v1'],
      portMapping: false,
    },
    bootstrap: { mdns: false },
    control: { apiAddress: '127.0.0.1:0', mcpAddress: '127.0.0.1:0' },
  },
}

/** The options of a preset with others laid over them, section by section. */
export function overPreset(options: NodeOptions): NodeOptions {
  const preset = options.preset ?? 'public'
  return { ...merged(PRESET_OPTIONS[preset], options), preset }
}

/** Both, section by section; where both say something, `above` does. */
export function overOptions(below: NodeOptions, above: NodeOptions): NodeOptions {
  return merged(below, above)
}

type Tree = Readonly<Record<string, unknown>>

function merged(below: Tree, above: Tree): Tree {
  const result: Record<string, unknown> = { ...below }
  for (const [key, value] of Object.entries(above)) {
    if (value === undefined) continue
    const under = result[key]
    result[key] = isTree(value) && isTree(under) ? merged(under, value) : value
  }
  return result
}

function isTree(value: unknown): value is Tree {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
