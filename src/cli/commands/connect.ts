import { type CodedError, hasCode } from '../../base/index.ts'
import type { Command, Context } from '../command.ts'
import { CliError } from '../errors.ts'
import { type Explained, explain, type Tried } from '../explain.ts'
import { flagOption, parsePeer, required, textOption } from '../options.ts'
import { cleanLine, type Paint } from '../output.ts'
import type { NodeClient } from '../rooms.ts'
import { facilityText } from '../words.ts'

const EXPECTED =
  'a multiaddr such as /ip4/192.0.2.7/tcp/9000, a peer id such as 12D3KooW…, or the three ' +
  '(IPv4) or nine (IPv6) words of an address'
/** What a person may mean otherwise where the node refuses the target as such. */
const NOT_TARGETS = [
  'NET_ADDRESS_INVALID',
  'IP_WORDS_COUNT',
  'IP_WORD_UNKNOWN',
  'IP_WORDS_TOO_LONG',
]

export const connect: Command = {
  name: 'connect',
  summary: 'Connect the node to a peer: by address, by peer id, or by words',
  args: '<target...>',
  options: [
    { flags: '--peer <id>', help: 'who must answer there; anybody else is refused' },
    { flags: '--explain', help: 'say what was tried, how long, why it failed, what would help' },
  ],
  examples: [
    'connect /ip4/192.0.2.7/tcp/9000/p2p/12D3KooWJwao3iRnuKRGZeYbvLhm1v4SV7PDQ8S7w1zsLXozpMeg',
    'connect 12D3KooWJwao3iRnuKRGZeYbvLhm1v4SV7PDQ8S7w1zsLXozpMeg --explain',
    'connect reflectance ache accrue',
  ],
  timeoutMs: 30_000,

  async run(context) {
    const target = targetOf(context)
    const { out, signal } = context
    await using node = await context.connect()
    try {
      if (flagOption(context.options, 'explain')) {
        await connectAndExplain(target, node, context)
        return
      }
      const peer = await node.connect(target, { signal })
      out.print({ peer }, (paint) => [`${paint('green', 'Connected')} to ${peer}`])
    } catch (error) {
      // The same code is a matter of configuration where the address stands in a file.
      if (!(error instanceof Error) || !NOT_TARGETS.some((code) => hasCode(error, code)))
        throw error
      throw CliError.USAGE({ command: 'connect', expected: `${EXPECTED}; ${error.message}` }, error)
    }
  },
}

/** Words may be one argument or several; whom they must lead to stands after them. */
function targetOf({ args, options }: Context): string {
  required(args, 0, { command: 'connect', expected: EXPECTED })
  const target = args.join(' ').trim()
  const expected = textOption(options, 'peer')
  if (expected === undefined) return target
  const peer = parsePeer(expected, 'connect')
  if (target === peer || target.endsWith(`/p2p/${peer}`)) return target
  if (!target.includes('/p2p/') && !target.startsWith('12D3')) return `${target}/p2p/${peer}`
  const wanted = 'one peer: --peer names another one than the target does'
  throw CliError.USAGE({ command: 'connect', expected: wanted })
}

async function connectAndExplain(
  target: string,
  node: NodeClient,
  { clock, out, signal }: Context,
): Promise<void> {
  const startedAtMs = clock.now()
  let failure: CodedError | undefined
  let peer: string | null = /12D3\w+$/.exec(target)?.[0] ?? null
  try {
    peer = await node.connect(target, { signal })
  } catch (error) {
    if (!hasCode(error, 'NET_CONNECT_FAILED')) throw error
    failure = error
  }
  const tookMs = clock.now() - startedAtMs
  const [status, peers] = await Promise.all([node.status({ signal }), node.peers({ signal })])
  const error = failure?.message ?? null
  const found = explain({ target, peer, tookMs, tried: triedOf(failure), error }, status, peers)
  out.print(found, (paint) => lines(found, paint))
  if (failure !== undefined) throw failure
}

/** The error crossed the API, so its facts are as they came. */
function triedOf(failure: unknown): readonly Tried[] {
  if (!hasCode(failure, 'NET_CONNECT_FAILED')) return []
  const { tried } = failure.facts as { readonly tried?: unknown }
  return Array.isArray(tried) ? (tried as readonly Tried[]) : []
}

function lines(found: Explained, paint: Paint): string[] {
  const { connected, peer, target, tookMs, connections, tried, punches, own, advice } = found
  const head = connected
    ? `${paint('green', 'Connected')} to ${peer ?? target} in ${tookMs} ms`
    : `${paint('red', 'Not connected')} to ${cleanLine(target)}, after ${tookMs} ms`
  const open = connections.map(({ path, transport, address, direction }) => {
    return `${path} over ${transport}, ${direction}: ${address}`
  })
  const failed = tried.map(({ address, reason, tookMs: ms }) => {
    return `${address}: ${reason}, after ${ms ?? 0} ms`
  })
  const holes = punches.map(({ kind, outcome, tookMs: ms, reason }) => {
    return `${kind}: ${reason ?? outcome}, after ${ms} ms`
  })
  const { verdict, reason, nat, portMapping, relays } = own
  const network = [
    `reached: ${verdict} (${reason})`,
    `NAT mapping: QUIC ${nat.quic}, TCP ${nat.tcp}`,
    `ports at the router: ${facilityText(portMapping)}`,
    `relays in use: ${relays}`,
  ]
  return [
    head,
    ...titled('Paths', open),
    ...titled('Tried in vain', failed),
    ...titled('Holes punched', holes),
    ...titled('This node', network),
    ...titled('What would help', advice),
  ]
}

function titled(title: string, rows: readonly string[]): readonly string[] {
  return rows.length === 0 ? [] : [`${title}:`, ...rows.map((row) => `  - ${cleanLine(row)}`)]
}
