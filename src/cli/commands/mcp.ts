import { hasCode } from '../../base/index.ts'
import { aborted } from '../abort.ts'
import { catalogOver } from '../catalog-over.ts'
import type { Command, Context } from '../command.ts'
import { flagsOf } from '../flags.ts'
import type { Daemon, NodeClient } from '../rooms.ts'

export const mcp: Command = {
  name: 'mcp',
  summary: 'Be an MCP server on standard input and output: the tools of this node and its peers',
  examples: ['mcp', 'mcp --data ./second'],

  async run(context) {
    await using reached = await reach(context)
    const face = await context.rooms.serveStdio(catalogOver(reached.node), context.version)
    await Promise.race([face.done, aborted(context.signal)])
    await face.close()
  },
}

interface Reached extends AsyncDisposable {
  readonly node: NodeClient
}

/** The node that runs on the data folder, or else one that lives as long as this command. */
async function reach(context: Context): Promise<Reached> {
  try {
    const node = await context.connect()
    await node.status({ signal: context.signal })
    return { node, [Symbol.asyncDispose]: () => node[Symbol.asyncDispose]() }
  } catch (error) {
    if (!hasCode(error, 'CONTROL_NODE_UNREACHABLE')) throw error
  }
  const { env, rooms, version } = context
  const daemon = await rooms.startDaemon({ flags: flagsOf(context), env, version })
  try {
    return joined(await context.connect(), daemon)
  } catch (error) {
    await daemon.stop()
    throw error
  }
}

function joined(node: NodeClient, daemon: Daemon): Reached {
  return {
    node,
    async [Symbol.asyncDispose]() {
      await node[Symbol.asyncDispose]()
      await daemon.stop()
    },
  }
}
