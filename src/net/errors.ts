import { defineErrors } from '../base/index.ts'
import type { PeerId } from '../identity/index.ts'

/** One address that a connect went through, and what became of it. */
export interface Attempt {
  readonly address: string
  readonly reason: string
  /** How long it was tried; absent or zero where it never began. */
  readonly tookMs?: number
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
  CHANNEL_FULL: {
    says: (f: OnChannel & { frames: number; bytes: number; afterMs: number }) =>
      `Cannot write to ${f.protocol} of peer ${f.peer}: ${f.frames} frames (${f.bytes} bytes) ` +
      `are not confirmed, and there was no room within ${f.afterMs} ms`,
    retryable: true,
  },
  CHANNEL_LOST: {
    says: (f: OnChannel & { unconfirmed: number; reason: string }) =>
      `Cannot go on with ${f.protocol} to peer ${f.peer}: ${f.reason}. ` +
      `${f.unconfirmed} frames are not confirmed; they may or may not have arrived`,
  },
  CHANNEL_REFUSED: {
    says: (f: OnChannel & { reason: string }) =>
      `Cannot open ${f.protocol} to peer ${f.peer}: ${f.reason}`,
  },
  CHANNEL_INVALID: {
    says: (f: { protocol: string; reason: string }) =>
      `Cannot use "${f.protocol}" for a channel: ${f.reason}. ` +
      'Wanted 1 to 128 printable characters without spaces, such as files/1',
  },
  CHANNELS_EXHAUSTED: {
    says: (f: OnChannel & { limit: number; of: 'peer' | 'node' }) =>
      `Cannot open ${f.protocol} to peer ${f.peer}: ${f.limit} channels ` +
      `${f.of === 'peer' ? 'with it' : 'in all'} are open already`,
    retryable: true,
  },
  WANTED_EXHAUSTED: {
    says: (f: { limit: number }) =>
      `Cannot keep one more peer: ${f.limit} are kept already. Release one first`,
  },
  CONNECTION_DROPPED: {
    says: (f: { reason: string }) => `Cannot keep the connection: ${f.reason}`,
    retryable: true,
  },
  RELAY_REFUSED: {
    says: (f: { relay: PeerId; reason: string }) =>
      `Cannot go through relay ${f.relay}: ${f.reason}. Try another relay`,
    retryable: true,
  },
  PUNCH_FAILED: {
    says: (f: { peer: PeerId; reason: string }) =>
      `Cannot reach peer ${f.peer} without the relay: ${f.reason}`,
    retryable: true,
  },
  EXHAUSTED: {
    says: (f: { scope: string; resource: string; used: number; limit: number }) =>
      `Cannot take more ${f.resource} for the scope "${f.scope}": ${f.used} of ${f.limit} are in ` +
      'use. Wait until some are free, or raise the limit in [resources] or [network]',
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
  ROUTER_UNUSABLE: {
    says: (f: { router: string; via: string; reason: string }) =>
      `Cannot ask router ${f.router} for ports by ${f.via}: ${f.reason}`,
    retryable: true,
  },
  MAPPING_REFUSED: {
    says: (f: { via: string; protocol: string; port: number; reason: string }) =>
      `Cannot map ${f.protocol} port ${f.port} by ${f.via}: ${f.reason}. ` +
      'Forward the port in the router by hand, or go on through relays',
    retryable: true,
  },
  HUB_UNAVAILABLE: {
    says: (f: { reason: string }) =>
      `Cannot put QUIC behind one port: ${f.reason}. QUIC goes on without it, and opens no NAT`,
  },
  PUNCH_UNAVAILABLE: {
    says: (f: { reason: string }) =>
      `Cannot dial TCP from the listening port: ${f.reason}. Other paths are tried without it`,
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
