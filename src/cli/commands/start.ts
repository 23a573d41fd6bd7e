import { either } from '../../base/index.ts'
import type { Command, Context } from '../command.ts'
import { flagsOf } from '../flags.ts'
import { LiveLine } from '../live-line.ts'
import { cleanLine, fields, type Paint } from '../output.ts'
import type { Daemon } from '../rooms.ts'
import { stopInTime } from '../stop-in-time.ts'

export const start: Command = {
  name: 'start',
  summary: 'Run a node in this terminal until Ctrl-C',
  options: [
    { flags: '--config <file>', help: 'read this file instead of config.toml in the data folder' },
    { flags: '--listen <multiaddr>', help: 'listen here (repeatable)', many: true },
    {
      flags: '--bootstrap <multiaddr>',
      help: 'a first peer to connect to (repeatable)',
      many: true,
    },
    {
      flags: '--api-port <port>',
      help: 'port of the control API on 127.0.0.1; 0 takes a free one',
    },
    {
      flags: '--mcp-port <port>',
      help: 'port of the MCP gateway on 127.0.0.1; 0 takes a free one',
    },
    {
      flags: '--grpc-port <port>',
      help: 'port of the gRPC API on 127.0.0.1; 0 takes a free one',
    },
    { flags: '--network <name>', help: 'name of the network; others stay apart from it' },
    {
      flags: '--preset <preset>',
      help: 'where the defaults come from',
      choices: ['public', 'private', 'agent', 'bootstrap', 'test'],
    },
  ],
  examples: [
    'start',
    'start --data /tmp/second --bootstrap /ip4/127.0.0.1/tcp/9000/p2p/12D3KooW…',
    'start --preset private --json',
  ],

  run: (context) => runNode(context, suggestions),
}

/** Lines to try next, in another terminal. */
type Suggestions = (daemon: Daemon, context: Context) => readonly string[]

/** Runs a node until it is asked to stop, and says at its start what there is to do with it. */
export async function runNode(context: Context, suggested: Suggestions): Promise<void> {
  const { clock, out, rooms } = context
  const asked = new AbortController()
  using ended = either(context.signal, asked.signal)
  const { signal } = ended
  const live = new LiveLine({ clock, out, signal })
  const daemon = await rooms.startDaemon({
    flags: flagsOf(context),
    env: context.env,
    version: context.version,
    stopAsked: () => asked.abort(),
    ...(out.live && { writeLog: (line: string) => live.above(line) }),
  })
  try {
    out.print(ready(daemon), (paint) => welcome(daemon, suggested(daemon, context), paint))
    await live.run(daemon)
  } finally {
    await stopInTime(daemon, clock)
    if (signal.aborted) out.note('Stopped.')
  }
}

/** The ready line of the contract. */
function ready({ api, grpc, listen, mcp, node, tokenFile }: Daemon) {
  const { version } = node.status()
  const { peerId } = node
  return { event: 'ready', peerId, listen, api, mcp, grpc, tokenFile, version }
}

function welcome(daemon: Daemon, suggested: readonly string[], paint: Paint): string[] {
  const { ethAddress, network, version, words } = daemon.node.status()
  const rows = {
    'Peer id': daemon.node.peerId,
    ...(ethAddress !== null && { Agent: ethAddress }),
    Words: words ?? 'none yet: no address to put into words',
    Listening: daemon.listen.length === 0 ? 'nowhere' : daemon.listen,
    API: daemon.api,
    MCP: daemon.mcp ?? 'off',
    gRPC: daemon.grpc ?? 'off',
    Data: daemon.dataDir,
    Network: network,
  }
  return [
    paint('bold', `p2p-foundation ${version} is running. Ctrl-C stops it.`),
    '',
    ...fields(rows, paint),
    ...daemon.notices.map((notice) => paint('yellow', `! ${cleanLine(notice)}`)),
    '',
    'What to try next, in another terminal:',
    ...suggested.map((line) => `  ${line}`),
    '',
  ]
}

/** Lines that work as they are when pasted into another terminal of this folder. */
function suggestions({ dataDir, listen }: Daemon, { program, selfOn }: Context): readonly string[] {
  const self = selfOn(dataDir)
  const first =
    listen.find((address) => address.startsWith('/ip4/127.0.0.1/tcp/')) ??
    listen.find((address) => address.includes('/tcp/'))
  const everything = 'npx -y @modelcontextprotocol/server-everything stdio'
  return [
    `${self} status`,
    `${self} expose --name everything -- ${everything}`,
    `${self} tools`,
    `${self} call get-sum '{"a":2,"b":40}'`,
    ...(first === undefined ? [] : [`${program} start --data /tmp/second --bootstrap ${first}`]),
  ]
}
