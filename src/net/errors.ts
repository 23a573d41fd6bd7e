import { defineErrors } from '../base/index.ts'
import type { PeerId } from '../identity/index.ts'

/** One address that a connect went through, and what became of it. */
export interface Attempt {
  readonly address: string
  readonly reason: string
}

interface OnChannel {
  readonly peer: PeerId
  readonly protocol: string
}

export const NetError = defineErrors('NET', {
  ADDRESS_INVALID: {
    says: (f: { found: string; reason: string }) =>
      `Cannot use address "${f.found}": ${f.reason}. Wanted a multiaddr such as ` +
      '/ip6/2001:db8::1/udp/9001/quic-v1/p2p/12D3KooW…, /ip4/192.0.2.1/tcp/9000 or /dnsaddr/host',
  },
  CONNECT_FAILED: {
    says: (f: { target: string; tried: readonly Attempt[]; retryInMs?: number }) =>
      `Cannot connect to ${f.target}: ${describeAttempts(f.tried)}${describePause(f.retryInMs)}`,
    retryable: true,
  },
  NAME_UNRESOLVED: {
    says: (f: { name: string; reason: string }) =>
      `Cannot resolve ${f.name}: ${f.reason}. Check the name and this machine's DNS`,
    retryable: true,
  },
  PROTOCOL_UNSUPPORTED: {
    says: (f: OnChannel) => `Cannot open ${f.protocol} to peer ${f.peer}: it does not speak it`,
  },
  STREAMS_EXHAUSTED: {
    says: (f: OnChannel & { limit: number }) =>
      `Cannot open ${f.protocol} to peer ${f.peer}: ${f.limit} channels are open already`,
    retryable: true,
  },
  OPEN_FAILED: {
    says: (f: OnChannel & { reason: string }) =>
      `Cannot open ${f.protocol} to peer ${f.peer}: ${f.reason}`,
    retryable: true,
  },
  PING_FAILED: {
    says: (f: { peer: PeerId; reason: string }) => `Cannot ping peer ${f.peer}: ${f.reason}`,
    retryable: true,
  },
  CHANNEL_BROKEN: {
    says: (f: OnChannel & { reason: string }) =>
      `Cannot go on with ${f.protocol} to peer ${f.peer}: ${f.reason}`,
    retryable: true,
  },
  CHANNEL_CLOSED: {
    says: (f: OnChannel) =>
      `Cannot write to ${f.protocol} of peer ${f.peer}: the channel is closed`,
  },
  CONNECTION_DROPPED: {
    says: (f: { reason: string }) => `Cannot keep the connection: ${f.reason}`,
    retryable: true,
  },
  PORT_BUSY: {
    says: (f: { port: number; kind: string; address: string; holder: string | undefined }) =>
      `Cannot listen on ${f.address}: ${f.kind} port ${f.port} is in use by ` +
      `${f.holder ?? 'another program'}. Stop it, or choose another port with --listen`,
  },
  UDP_FAILED: {
    says: (f: { port: number; reason: string }) =>
      `Cannot open UDP port ${f.port}: ${f.reason}. Choose another port, or go on with streams`,
  },
  UDP_UNSENT: {
    says: (f: { host: string; port: number; reason: string }) =>
      `Cannot send to UDP ${f.host} port ${f.port}: ${f.reason}`,
    retryable: true,
  },
  LISTEN_FAILED: {
    says: (f: { address: string; reason: string }) =>
      `Cannot listen on ${f.address}: ${f.reason}. Choose another address with --listen`,
  },
})

function describeAttempts(tried: readonly Attempt[]): string {
  if (tried.length === 0) return 'no address is known for it'
  return tried.map(({ address, reason }) => `${address} (${reason})`).join(', ')
}

function describePause(retryInMs: number | undefined): string {
  if (retryInMs === undefined) return ''
  return `, a moment ago. It is tried again in ${Math.ceil(retryInMs / 1_000)} s`
}

/** The first line of what went wrong, for facts and logs. */
export function reasonOf(error: unknown): string {
  if (error instanceof AggregateError && error.errors.length > 0) {
    return error.errors.slice(0, 4).map(reasonOf).join('; ')
  }
  const text = error instanceof Error ? error.message || error.name : String(error)
  return (text.split('\n', 1)[0] ?? '').slice(0, 300)
}
