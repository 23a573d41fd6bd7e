import { hasCode } from '../../base/index.ts'
import type { Command } from '../command.ts'
import { CliError } from '../errors.ts'
import { required } from '../options.ts'

const EXPECTED = 'a multiaddr such as /ip4/192.0.2.7/tcp/9000 or a peer id such as 12D3KooW…'

export const connect: Command = {
  name: 'connect',
  summary: 'Connect the node to a peer, by address or by peer id',
  args: '<target>',
  examples: [
    'connect /ip4/192.0.2.7/tcp/9000/p2p/12D3KooWJwao3iRnuKRGZeYbvLhm1v4SV7PDQ8S7w1zsLXozpMeg',
    'connect 12D3KooWJwao3iRnuKRGZeYbvLhm1v4SV7PDQ8S7w1zsLXozpMeg',
  ],
  timeoutMs: 30_000,

  async run({ args, connect, out, signal }) {
    const target = required(args, 0, { command: 'connect', expected: EXPECTED })
    await using node = await connect()
    try {
      const peer = await node.connect(target, { signal })
      out.print({ peer }, (paint) => [`${paint('green', 'Connected')} to ${peer}`])
    } catch (error) {
      // The same code is a matter of configuration where the address stands in a file.
      if (!hasCode(error, 'NET_ADDRESS_INVALID')) throw error
      throw CliError.USAGE({ command: 'connect', expected: `${EXPECTED}; ${error.message}` }, error)
    }
  },
}
