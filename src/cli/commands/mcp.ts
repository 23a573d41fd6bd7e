import { type Clock, hasCode } from '../../base/index.ts'
import { aborted } from '../abort.ts'
import { catalogOver } from '../catalog-over.ts'
import type { Command, Context } from '../command.ts'
import { CliError } from '../errors.ts'
import { flagsOf } from '../flags.ts'
import { textOption } from '../options.ts'
import type { Daemon, NodeClient } from '../rooms.ts'
import { stopInTime } from '../stop-in-time.ts'

/** How long the first list of a node that has just started waits for a peer. */
const FIRST_PEER_MS = 3_000
/** How long another process may take to start the node that we found it starting. */
const OTHER_START_MS = 10_000
const LOOK_MS = 100

export const mcp: Command = {
  name: 'mcp',
  summary: 'Be an MCP server on standard input and output: the tools of this node and its peers',
  options: [
    { flags: '--service <name>', help: 'be this one service instead, whole and as it is' },
    { flags: '--peer <peer id>', help: 'the service of this peer; with --service' },
  ],
  examples: ['mcp', 'mcp --data /tmp/second', 'mcp --service everything'],

  async run(context) {
    const { clock, rooms, signal, version } = context
    await using reached = await reach(context)
    const place = placeOf(context)
    if (place !== undefined) {
      await reached.ready
      const { dataDir, program } = context
      await rooms.pipeStdio({ dataDir, start: `${program} start` }, place, signal)
      return
    }
    const catalog = catalogOver(reached.node, clock, reached.ready)
    const face = await rooms.serveStdio(catalog, version)
    await Promise.race([face.done, aborted(signal)])
    await face.close()
  },
}

function placeOf({ options }: Context): { service: string; peer?: string } | undefined {
  const [service, peer] = [textOption(options, 'service'), textOption(options, 'peer')]
  if (service !== undefined) return { service, ...(peer === undefined ? {} : { peer }) }
  if (peer === undefined) return undefined
  throw CliError.USAGE({ command: 'mcp', expected: '--service with --peer' })
}

interface Reached extends AsyncDisposable {
  readonly node: NodeClient
  /** Resolves when a list is worth asking for. */
  readonly ready: Promise<void>
}

/** The node that runs on the data folder, or else one that lives as long as this command. */
async function reach(context: Context): Promise<Reached> {
  return (await running(context)) ?? (await started(context))
}

async function running(context: Context): Promise<Reached | undefined> {
  try {
    const node = await context.connect()
    await node.status({ signal: context.signal })
    const close = () => node[Symbol.asyncDispose]()
    return { node, ready: Promise.resolve(), [Symbol.asyncDispose]: close }
  } catch (error) {
    if (hasCode(error, 'CONTROL_NODE_UNREACHABLE')) return undefined
    throw error
  }
}

async function started(context: Context): Promise<Reached> {
  const { clock, env, rooms, signal, version } = context
  let daemon: Daemon
  try {
    daemon = await rooms.startDaemon({ flags: flagsOf(context), env, version })
  } catch (error) {
    // Two assistants that begin together both find no node; the second waits for that of the first.
    if (!hasCode(error, 'NODE_ALREADY_RUNNING')) throw error
    const other = await until(() => running(context), { clock, ms: OTHER_START_MS, signal })
    if (other === undefined) throw error
    return other
  }
  try {
    return owned(await context.connect(), daemon, context)
  } catch (error) {
    await stopInTime(daemon, clock)
    throw error
  }
}

function owned(node: NodeClient, daemon: Daemon, { clock, signal }: Context): Reached {
  const life = new AbortController()
  const ended = AbortSignal.any([life.signal, signal])
  // A peer that has not yet said what it speaks cannot be asked for its tools.
  const met = async () => {
    const peers = await node.peers({ signal: ended })
    return peers.some(({ protocols }) => protocols.length > 0) || undefined
  }
  const looked = until(met, { clock, ms: FIRST_PEER_MS, signal: ended })
  return {
    node,
    ready: looked.then(
      () => undefined,
      () => undefined,
    ),
    async [Symbol.asyncDispose]() {
      life.abort()
      await node[Symbol.asyncDispose]()
      await stopInTime(daemon, clock)
    },
  }
}

interface Patience {
  readonly clock: Clock
  readonly ms: number
  readonly signal?: AbortSignal
}

/** Asks until there is an answer; `undefined` when the time is over first. */
async function until<T>(
  ask: () => Promise<T | undefined>,
  { clock, ms, signal }: Patience,
): Promise<T | undefined> {
  using deadline = clock.deadline(ms, signal)
  for (;;) {
    const answer = await ask()
    if (answer !== undefined || deadline.signal.aborted) return answer
    await clock.sleep(LOOK_MS, deadline.signal).catch(() => undefined)
  }
}
