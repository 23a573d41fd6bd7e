import { type CodedError, hasCode } from '../../base/index.ts'
import type { NameReport } from '../../node/index.ts'
import type { Command, Context } from '../command.ts'
import { CliError } from '../errors.ts'
import { type Explained, explain, type Tried } from '../explain.ts'
import { flagOption, parsePeer, required, textOption } from '../options.ts'
import { cleanLine, type Paint } from '../output.ts'
import type { NodeClient } from '../rooms.ts'
import { facilityText } from '../words.ts'
import { nameLines, nobody } from './name.ts'

const EXPECTED =
  'a multiaddr such as /ip4/192.0.2.7/tcp/9000, a peer id such as 12D3KooW…, the three ' +
  '(IPv4) or nine (IPv6) words of an address, or the name that a peer claims, such as alice'
/** What a person may mean otherwise where the node refuses the target as such. */
const NOT_TARGETS = [
  'NET_ADDRESS_INVALID',
  'IP_WORDS_COUNT',
  'IP_WORD_UNKNOWN',
  'IP_WORDS_TOO_LONG',
  'DHT_KEY_INVALID',
]

export const connect: Command = {
  name: 'connect',
  summary: 'Connect the node to a peer: by address, by peer id, by words, or by name',
  args: '<target...>',
  options: [
    { flags: '--peer <id>', help: 'who must answer there; anybody else is refused' },
    { flags: '--explain', help: 'say what was tried, how long, why it failed, what would help' },
  ],
  examples: [
    'connect /ip4/192.0.2.7/tcp/9000/p2p/12D3KooWJwao3iRnuKRGZeYbvLhm1v4SV7PDQ8S7w1zsLXozpMeg',
    'connect 12D3KooWJwao3iRnuKRGZeYbvLhm1v4SV7PDQ8S7w1zsLXozpMeg --explain',
    'connect reflectance ache accrue',
    'connect alice',
  ],
  timeoutMs: 30_000,

  async run(context) {
    const given = targetOf(context)
    const { out, signal } = context
    await using node = await context.connect()
    try {
      const named = isName(given) ? await claimOf(given, node, context) : undefined
      const target = named?.peer ?? given
      if (flagOption(context.options, 'explain')) {
        await connectAndExplain(target, node, context)
        return
      }
      const peer = await node.connect(target, { signal })
      out.print({ peer, ...(named && provenOf(named, peer)) }, (paint) => [
        `${paint('green', 'Connected')} to ${peer}`,
        ...(named === undefined ? [] : [provenText(named)]),
      ])
    } catch (error) {
      // The same code is a matter of configuration where the address stands in a file.
      if (!(error instanceof Error) || !NOT_TARGETS.some((code) => hasCode(error, code)))
        throw error
      throw CliError.USAGE({ command: 'connect', expected: `${EXPECTED}; ${error.message}` }, error)
    }
  },
}

/** A name is one word of small letters; a peer id has large ones, other words come in numbers. */
function isName(target: string): boolean {
  return /^[a-z0-9_]{1,64}(\/p2p\/\w+)?$/.test(target)
}

/** A name, who is meant by it, and all who claim it. */
interface Named {
  readonly name: string
  readonly peer: string
  readonly claims: NameReport['claims']
}

/** Who is meant: the only one that claims the name, or the one of several that `--peer` says. */
async function claimOf(target: string, node: NodeClient, context: Context): Promise<Named> {
  const { out, signal, options } = context
  const [name = '', expected] = target.split('/p2p/')
  const report = await node.nameFind(name, { signal })
  const { claims, more } = report
  const peers: readonly string[] = claims.map(({ peer }) => peer)
  const [first] = peers
  if (first === undefined) throw nobody(report)
  if (expected !== undefined && !peers.includes(expected)) {
    throw CliError.NAME_UNCLAIMED({ name, peer: expected, peers })
  }
  if (expected === undefined && (peers.length > 1 || more)) {
    throw CliError.NAME_AMBIGUOUS({ name, peers, more })
  }
  if (flagOption(options, 'explain') || !out.json) {
    for (const line of nameLines(report, (_, text) => text)) out.note(line)
  }
  return { name, peer: expected ?? first, claims }
}

/** The handshake proves the key of the one that was dialled, and of no other. */
function provenOf({ name, claims }: Named, proven: string) {
  return { name, claims: claims.map(({ peer }) => ({ peer, verified: peer === proven })) }
}

function provenText({ name }: Named): string {
  return (
    `It has the key that claims "${cleanLine(name)}". ` +
    'Whether it is who you mean, only its peer id says'
  )
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
