/**
 * A process with a port mapper alone, and something that listens behind it.
 *
 * Arguments: the protocols to use, joined by commas, and knobs of the mapper as JSON. Listens on
 * TCP 4001, where it says `tcp` and ends, and on UDP 4002, where it says what came. Prints one line
 * of JSON when mapped addresses change and one with `mappings` for each line that comes in; ends
 * with its input.
 */

import { createSocket } from 'node:dgram'
import { createServer } from 'node:net'
import { createInterface } from 'node:readline'
import { secureRandom, silentLog, systemClock } from '../../src/base/index.ts'
import { PORT_MAPPER_CONFIG, PortMapper, portClients } from '../../src/net/portmap.ts'
import type { MappingProtocol } from '../../src/net/portmap-lease.ts'
import { findRoutes } from '../../src/net/portmap-routes.ts'

const [protocols = '', knobs = '{}'] = process.argv.slice(2)
const all = portClients({ clock: systemClock, random: secureRandom })
const wanted = protocols.split(',') as MappingProtocol[]
const open = Object.fromEntries(wanted.map((via) => [via, all[via]]))

createServer((socket) => socket.end('tcp')).listen(4_001, '0.0.0.0')
const udp = createSocket('udp4')
udp.on('message', (bytes, from) => udp.send(bytes, from.port, from.address))
udp.bind(4_002)

const mapper = new PortMapper(
  {
    open,
    clock: systemClock,
    log: silentLog,
    findRoutes: () => findRoutes(undefined),
    ports: () => [
      { protocol: 'tcp', port: 4_001, suffix: '' },
      { protocol: 'udp', port: 4_002, suffix: '/quic-v1' },
    ],
  },
  { ...PORT_MAPPER_CONFIG, ...(JSON.parse(knobs) as object) },
)
const print = (line: object) => process.stdout.write(`${JSON.stringify(line)}\n`)
mapper.events.on('mapped', ({ addresses }) => print({ event: 'mapped', addresses }))
await mapper.start()

for await (const _line of createInterface({ input: process.stdin })) {
  print({ event: 'told', mappings: mapper.mappings(), status: mapper.status() })
}
const began = performance.now()
await mapper.stop()
print({ event: 'stopped', ms: Math.round(performance.now() - began) })
process.exit(0)
