/** What a program may ask of the DHT through its node: the part `node.dht`. */

import type { Waits } from './call-peer.ts'
import { checkBytes } from './check-args.ts'
import type { Parts } from './compose.ts'
import type { NodeDht } from './injected.ts'
import { claimName, findName } from './peer-names.ts'
import { partOf } from './state.ts'
import { findReaders } from './topic-readers.ts'

/** `running` gives the parts of a node that has not stopped, for what is wanted of them. */
export function dhtFace(running: (wanted: string) => Parts) {
  const dht = (wanted: string): NodeDht => partOf('dht', running(wanted).dht)
  return {
    put: async (key: string, value: Uint8Array, options: Waits = {}) => {
      const own = dht('store a record')
      checkBytes(value)
      return own.put(key, value, options)
    },
    get: async (key: string, options: Waits = {}) => dht('read a record').get(key, options),
    /** Calls this node by a name, as others may as well; for as long as it runs. */
    claimName: async (name: string, options: Waits = {}) => {
      const { host, dht: own } = running('claim a name')
      return claimName(name, { self: host.self, dht: partOf('dht', own) }, options)
    },
    /** Who calls itself by a name. Which of them is meant, only a peer id says. */
    findName: async (name: string, options: Waits = {}) => {
      const { host, dht: own } = running('look up a name')
      return findName(name, { self: host.self, dht: partOf('dht', own) }, options)
    },
    /** Who reads a topic or offers what has this name, as far as the network tells. */
    findReaders: async (topic: string, options: Waits = {}) => {
      const { pubsub, host, dht: own } = running('find readers of a topic')
      return findReaders(topic, { dht: own, pubsub, self: host.self }, options)
    },
    buckets: () => partOf('dht', running('look at the routing table').ownDht).buckets,
    /** The DHT of another network, named in `dht.extra_protocols`. */
    extra: (protocol: string) => {
      return partOf('dht', running('look into another DHT').ownDht).extra(protocol)
    },
  }
}
