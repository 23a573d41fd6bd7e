/** Starts two hosts on real sockets, connects them, stops them, and must then end by itself. */

import { testnet } from './testnet.ts'

const listen = [
  '/ip4/127.0.0.1/tcp/0',
  '/ip4/127.0.0.1/udp/0/quic-v1',
  '/ip6/::1/tcp/0',
  '/ip6/::1/udp/0/quic-v1',
]
{
  await using net = await testnet(2, { listen })
  const [a, b] = net.hosts
  for (const address of b?.addresses() ?? []) await a?.connect(address)
  await a?.ping(b?.self ?? a.self)
}
process.stdout.write('stopped\n')
