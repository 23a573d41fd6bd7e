/**
 * mDNS and nothing else, as a process of a lab: prints one JSON line for each find.
 *
 *   node mdns-peer.ts PEER-ID NETWORK MULTIADDR…
 *
 * Ends with its standard input, so that no killed test leaves it behind.
 */

import { secureRandom, silentLog, systemClock } from '../../src/base/index.ts'
import { peerId } from '../../src/identity/index.ts'
import { Mdns } from '../../src/net/mdns.ts'

const [id = '', network = '', ...addresses] = process.argv.slice(2)
const self = peerId(id)
const say = (line: object) => process.stdout.write(`${JSON.stringify(line)}\n`)

const mdns = new Mdns(
  {
    self,
    addresses: () => addresses.map((address) => `${address}/p2p/${self}`),
    found: (peer, found) => say({ event: 'found', peer, addresses: found }),
    clock: systemClock,
    random: secureRandom,
    log: silentLog,
  },
  { network, queryIntervalMs: 60_000, rescanMs: 2_000 },
)
await mdns.start()
say({ event: 'started', status: mdns.status() })
process.stdin.resume().once('end', () => process.exit(0))
