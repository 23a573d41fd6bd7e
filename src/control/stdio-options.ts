/** What `p2p-node` was started with: its words and its environment, as flags of a node. */

import { join } from 'node:path'
import { parseArgs, parseEnv } from 'node:util'
import { dataDirFrom } from '../base/index.ts'
import type { Environment, Flags } from '../node/index.ts'
import { StdioError } from './stdio-errors.ts'

const PORT_MAX = 65_535
const NAME = /^(?!\.+$)[\w.-]{1,64}$/
/** Whose data folder it is when nobody says how the agent is called. */
const NAME_USUAL = 'agent'
/** Where a node listens whose addresses nobody chose. */
const ADDRESSES: readonly string[] = [
  '/ip6/::/udp/0/quic-v1',
  '/ip4/0.0.0.0/udp/0/quic-v1',
  '/ip6/::/tcp/0',
  '/ip4/0.0.0.0/tcp/0',
]

/** The words of the command line. */
export interface StdioOptions {
  readonly port: number | undefined
  readonly name: string | undefined
  readonly envFile: string | undefined
}

/** What `p2p-node --help` says. */
export const HELP = `Usage: p2p-node [-p|--port <port>] [-n|--name <name>] [-e|--env-file <file>]

A node that another program drives, by one JSON object a line: commands on its standard input,
events on its standard output. Try: echo '{"type":"connect"}' | p2p-node

  -p, --port <port>      where the node listens, over QUIC and TCP; 0, as without it: any free port
  -n, --name <name>      how its agent is called; each name has a data folder of its own
  -e, --env-file <file>  PRIVATE_KEY, REGISTRY_ADDRESS, RPC_URL and settings, as NAME=value
  -h, --help             these lines, on standard error
      --version          the version, on standard error

A person who wants a node runs "p2p start".
`

/** What a person asked to be told, if that was asked. */
export function readQuestion(argv: readonly string[]): 'help' | 'version' | undefined {
  if (argv.some((word) => word === '--help' || word === '-h')) return 'help'
  return argv.includes('--version') ? 'version' : undefined
}

export function readOptions(argv: readonly string[]): StdioOptions {
  const { port, name, 'env-file': envFile } = parsed(argv)
  if (name !== undefined && !NAME.test(name)) {
    const reason = `--name "${name.slice(0, NAME_SHOWN)}" is none of 64 letters, digits, - _ and .`
    throw StdioError.STDIO_OPTION_INVALID({ reason })
  }
  return { port: port === undefined ? undefined : portOf(port), name, envFile }
}

/** What `.env` text says, below what the environment itself says; empty values say nothing. */
export function environmentWith(text: string | undefined, environment: Environment): Environment {
  const said = Object.entries(environment).filter(([, value]) => value !== undefined)
  return { ...(text === undefined ? {} : parseEnv(text)), ...Object.fromEntries(said) }
}

/**
 * The settings of a node that speaks for an agent: the preset for it, the agent switched on, under
 * its name; all of it below what the environment says.
 */
export function agentEnvironment(given: Environment, name: string | undefined): Environment {
  return {
    P2P_NETWORK_PRESET: 'agent',
    P2P_AGENT_ENABLED: 'true',
    ...(name !== undefined && { P2P_AGENT_NAME: name }),
    ...given,
  }
}

/** One node: its folder, which agents of other names do not share, and where it listens. */
export function flagsFor(
  { name, port }: Pick<StdioOptions, 'name' | 'port'>,
  bootstrapPeers: readonly string[] | undefined,
  environment: Environment,
): Flags {
  const { P2P_DATA: data, P2P_NETWORK_LISTEN_ADDRESSES: addresses } = environment
  const usual = () => join(dataDirFrom(undefined, {}), 'agents', name ?? NAME_USUAL)
  const isChosen = addresses !== undefined && addresses.trim() !== ''
  const listen = isChosen ? addresses.split(',').map((address) => address.trim()) : ADDRESSES
  return {
    ...((data === undefined || data === '') && { data: usual() }),
    ...((port !== undefined || !isChosen) && { listen: atPort(listen, port ?? 0) }),
    ...(bootstrapPeers !== undefined && { bootstrap: bootstrapPeers }),
  }
}

function atPort(addresses: readonly string[], port: number): readonly string[] {
  return addresses.map((address) => address.replace(/\/(tcp|udp)\/\d+/, `/$1/${port}`))
}

function parsed(argv: readonly string[]) {
  try {
    const { values } = parseArgs({
      args: [...argv],
      options: {
        port: { type: 'string', short: 'p' },
        name: { type: 'string', short: 'n' },
        'env-file': { type: 'string', short: 'e' },
      },
      strict: true,
      allowPositionals: false,
    })
    return values
  } catch (error) {
    const reason = error instanceof Error ? firstSentence(error.message) : String(error)
    throw StdioError.STDIO_OPTION_INVALID({ reason }, error)
  }
}

function portOf(text: string): number {
  const port = Number(text)
  if (/^\d{1,5}$/.test(text) && port <= PORT_MAX) return port
  const reason = `--port "${text.slice(0, NAME_SHOWN)}" is no number from 0 to ${PORT_MAX}`
  throw StdioError.STDIO_OPTION_INVALID({ reason })
}

function firstSentence(text: string): string {
  return text.split('\n', 1)[0]?.split('. ', 1)[0] ?? text
}

const NAME_SHOWN = 64
