/**
 * A world of three nodes: a public relay, and two that know nothing but it.
 *
 *   a ── [router of a] ── line ──┐
 *                                ├── internet ── relay 5.9.77.10, 2a01:4f8:77::10
 *   b ── [router of b] ── line ──┘
 */

import { LabNode } from './node-process.ts'
import { Internet, type Site, type SiteOptions, type UplinkOptions } from './topology.ts'

export const RELAY: UplinkOptions = { ip4: '5.9.77.10', ip6: '2a01:4f8:77::10' }
export const A = { ip4: '81.2.69.100', ip6: '2a03:4000:77::a' }
export const B = { ip4: '91.10.20.200', ip6: '2a02:2e0:77::b' }

const CONNECTED_WITHIN_MS = 15_000
const SETTLED_WITHIN_MS = 20_000
const PORTS = ['udp/9001/quic-v1', 'tcp/9000']

export interface WorldOptions {
  readonly a: SiteOptions
  readonly b: SiteOptions
  readonly relay?: UplinkOptions
  /** Where the relay listens for TCP beside the default. */
  readonly relayTcpPort?: number
  /** Added to the files of `a` and `b`, and of the relay. */
  readonly toml?: string
  readonly relayToml?: string
  /** Set on all three machines before the nodes start. */
  readonly sysctl?: readonly string[]
  /** How long to wait until both sides know how they are reached. */
  readonly settleMs?: number
}

export interface World extends AsyncDisposable {
  readonly internet: Internet
  readonly sites: Readonly<Record<'a' | 'b' | 'relay', Site>>
  readonly a: LabNode
  readonly b: LabNode
  readonly relay: LabNode
}

/** Starts all three and waits until both know where they can be reached. */
export async function openWorld(options: WorldOptions): Promise<World> {
  await using opened = new AsyncDisposableStack()
  const internet = opened.use(new Internet())
  const at = options.relay ?? { ip4: RELAY.ip4 ?? '' }
  const sites = {
    relay: await internet.host('relay', at),
    a: await internet.site('a', options.a),
    b: await internet.site('b', options.b),
  }
  const { sysctl = [], settleMs = SETTLED_WITHIN_MS } = options
  if (sysctl.length > 0) for (const { host } of Object.values(sites)) host.sysctl(...sysctl)
  const relay = opened.use(await startRelay(internet, sites.relay, at, options))
  const known = relayAddresses(at, options).map((address) => `${address}/p2p/${relay.peerId}`)
  const start = (name: 'a' | 'b') =>
    LabNode.start(sites[name].host, {
      dataDir: internet.folder(name),
      toml: `[bootstrap]\nnodes = ${JSON.stringify(known)}\n${options.toml ?? ''}`,
    })
  const starting = await Promise.allSettled([start('a'), start('b')])
  const nodes = starting.map((one) => (one.status === 'fulfilled' ? opened.use(one.value) : one))
  const [a, b] = nodes
  if (!(a instanceof LabNode) || !(b instanceof LabNode)) {
    throw new Error('a node did not start', { cause: starting })
  }
  await Promise.all([a, b].map((node) => settled(node, relay.peerId, settleMs)))
  const stack = opened.move()
  return { internet, sites, a, b, relay, [Symbol.asyncDispose]: () => stack.disposeAsync() }
}

function startRelay(
  internet: Internet,
  { host }: Site,
  at: UplinkOptions,
  options: WorldOptions,
): Promise<LabNode> {
  const { relayTcpPort, relayToml = '' } = options
  const families = [at.ip4 && '/ip4/0.0.0.0', at.ip6 && '/ip6/::'].filter((one) => one)
  const ports = [...PORTS, ...(relayTcpPort === undefined ? [] : [`tcp/${relayTcpPort}`])]
  const listen = families.flatMap((family) => ports.map((port) => `${family}/${port}`))
  const toml = [
    '[network]',
    `listen_addresses = ${JSON.stringify(listen)}`,
    `announce_addresses = ${JSON.stringify(relayAddresses(at, options))}`,
    'relay_server = "always"',
    relayToml,
  ]
  return LabNode.start(host, { dataDir: internet.folder('relay'), toml: toml.join('\n') })
}

function relayAddresses(
  { ip4, ip6 }: UplinkOptions,
  { relayTcpPort }: Pick<WorldOptions, 'relayTcpPort'>,
): readonly string[] {
  const hosts = [
    ...(ip6 === undefined ? [] : [`/ip6/${ip6}`]),
    ...(ip4 === undefined ? [] : [`/ip4/${ip4}`]),
  ]
  const ports = [...PORTS, ...(relayTcpPort === undefined ? [] : [`tcp/${relayTcpPort}`])]
  return hosts.flatMap((host) => ports.map((port) => `${host}/${port}`))
}

/** Until a node is connected to the relay and knows where it can be reached, or time is up. */
async function settled(node: LabNode, relay: string, settleMs: number): Promise<void> {
  const connected = await node.until(async () => {
    return (await node.connectionsTo(relay)).length > 0 ? true : undefined
  }, CONNECTED_WITHIN_MS)
  if (connected !== true) throw new Error(`no connection to the relay; the log says:\n${node.log}`)
  await node.until(async () => {
    const status = JSON.stringify(await node.must('status'))
    return /p2p-circuit|"verdict":"public"/.test(status) ? true : undefined
  }, settleMs)
}
