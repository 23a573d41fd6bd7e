/** What a program may ask of the DHT through its node: the part `node.dht`. */

import type { Waits } from './call-peer.ts'
import { checkBytes } from './check-args.ts'
import type { Parts } from './compose.ts'
import type { NodeDht } from './injected.ts'
import { partOf } from './state.ts'

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
    buckets: () => partOf('dht', running('look at the routing table').ownDht).buckets,
    /** The DHT of another network, named in `dht.extra_protocols`. */
    extra: (protocol: string) => {
      return partOf('dht', running('look into another DHT').ownDht).extra(protocol)
    },
  }
}
