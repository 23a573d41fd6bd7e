/**
 * What a connect went through, and what would help: facts in, sentences out. Nothing is guessed
 * that no fact speaks for; where none does, it says that.
 */

import { scopeOf } from '../ip/index.ts'
import type { NodeStatus, PeerStatus } from '../node/index.ts'

/** One address that was dialled in vain. */
export interface Tried {
  readonly address: string
  readonly reason: string
  readonly tookMs?: number
}

type Reach = NodeStatus['reachability']

export interface Explained {
  readonly target: string
  readonly peer: string | null
  readonly connected: boolean
  readonly tookMs: number
  /** The ways that are open to the peer now. */
  readonly connections: PeerStatus['connections']
  readonly tried: readonly Tried[]
  /** Tries to get through the NATs of both sides, the newest last. */
  readonly punches: Reach['attempts']
  /** What is known of this node's own network. */
  readonly own: Pick<Reach, 'verdict' | 'reason' | 'nat'> & {
    readonly relays: number
    readonly quic: NodeStatus['quic']
    readonly portMapping: NodeStatus['portMapping']
  }
  /** What would help, most likely first. */
  readonly advice: readonly string[]
}

/** The report from what was seen of one connect. */
export function explain(
  seen: Pick<Explained, 'target' | 'peer' | 'tookMs' | 'tried'> & { readonly error: string | null },
  status: NodeStatus,
  peers: readonly PeerStatus[],
): Explained {
  const { reachability, portMapping, quic } = status
  const { verdict, reason, nat, relays } = reachability
  const { error, ...facts } = seen
  const connections = peers.find(({ peer }) => peer === seen.peer)?.connections ?? []
  const punches = reachability.attempts.filter(({ peer }) => peer === seen.peer)
  const own = { verdict, reason, nat, relays: relays.length, quic, portMapping }
  const found = { ...facts, connected: error === null, connections, punches, own }
  return { ...found, advice: error === null ? adviceForPath(found) : adviceForFailure(found) }
}

type Found = Omit<Explained, 'advice'>

/** Connected, and whether it could be better. */
function adviceForPath({ connections, punches, own }: Found): readonly string[] {
  const isRelayed = connections.length > 0 && connections.every(({ path }) => path === 'relayed')
  if (!isRelayed) return []
  const last = punches.at(-1)
  const why = last?.reason === undefined ? '' : `, last because ${last.reason}`
  return [`all goes through a relay: no direct path was found yet${why}`, ...adviceForNat(own)]
}

function adviceForFailure(found: Found): readonly string[] {
  const { tried, own } = found
  const named = TRIED.filter(({ applies }) => applies(tried)).map(({ advice }) => advice)
  const relayed = tried.some(({ address }) => address.includes('/p2p-circuit'))
  const relay = 'the peer has no relay that we know of: it is reached through one that it adds as '
  const addRelay =
    tried.length > 0 && !relayed && found.peer !== null ? [`${relay}[network] relays`] : []
  return [...named, ...addRelay, ...(tried.length > 0 ? adviceForNat(own) : [])]
}

function adviceForNat({ nat, portMapping, verdict }: Explained['own']): readonly string[] {
  const kinds = [nat.quic, nat.tcp]
  const symmetric =
    'this network gives each connection another port (endpoint-dependent mapping), so holes ' +
    'cannot be punched: forward a port to this node, or use another network'
  const advice = kinds.includes('endpoint-dependent') ? [symmetric] : []
  if (verdict !== 'public' && portMapping.remedy !== undefined) advice.push(portMapping.remedy)
  return advice
}

interface Rule {
  readonly applies: (tried: readonly Tried[]) => boolean
  readonly advice: string
}

const TRIED: readonly Rule[] = [
  {
    applies: (tried) => tried.length === 0,
    advice:
      'no address of it is known: is it running and connected to others of this network? ' +
      'Connect by one of its addresses or by its words once',
  },
  {
    applies: (tried) => some(tried, /peer id|unexpected peer|does not match|mismatch/i),
    advice: 'somebody else answers there: ask the peer for its addresses or words again',
  },
  {
    applies: (tried) => some(tried, /no address of this kind/),
    advice: 'that address is reserved, so nobody can be there: check it, or the words',
  },
  {
    applies: (tried) => some(tried, /ECONNREFUSED|refused/i),
    advice: 'nothing listens at that port: check that the node runs there, and the port',
  },
  {
    applies: (tried) => some(tried, /ENETUNREACH|EHOSTUNREACH|no route/i),
    advice: 'this machine has no route there: see p2p doctor for IPv6 and the network',
  },
  {
    applies: (tried) => tried.length > 0 && tried.every(({ address }) => isLocal(address)),
    advice:
      'all its addresses are of its own network: from elsewhere it needs a forwarded port ' +
      'or a relay',
  },
  {
    applies: (tried) => {
      const [udp, others] = [tried.filter(isUdp), tried.filter((one) => !isUdp(one))]
      return udp.length > 0 && udp.every(isSilent) && others.length > 0 && !others.every(isSilent)
    },
    advice: 'nothing came back over UDP: a firewall may block it, here or there; TCP may be open',
  },
  {
    applies: (tried) => tried.length > 0 && tried.every(isSilent),
    advice: 'nothing came back at all: the peer is gone, or a NAT or firewall before it drops us',
  },
]

function some(tried: readonly Tried[], pattern: RegExp): boolean {
  return tried.some(({ reason }) => pattern.test(reason))
}

function isSilent({ reason }: Tried): boolean {
  return /no answer|not reached within|timed? ?out/i.test(reason)
}

function isUdp({ address }: Tried): boolean {
  return address.includes('/udp/')
}

function isLocal(address: string): boolean {
  const ip = /^\/ip[46]\/([^/]+)/.exec(address)?.[1]
  if (ip === undefined || address.includes('/p2p-circuit')) return false
  return ['loopback', 'link', 'private'].includes(scopeOf(ip))
}
