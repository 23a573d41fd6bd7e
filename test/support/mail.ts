/** Messages to be kept for somebody: of made-up senders, and sealed in looks only. */

import { writeEnvelope } from '../../src/agent/envelope.ts'
import type { Draft } from '../../src/agent/envelope-codec.ts'
import { mailHash } from '../../src/agent/mailbox-protocol.ts'
import type { Mail } from '../../src/agent/mailbox-store.ts'
import {
  type EthAddress,
  ethSigner,
  openBinding,
  type PeerId,
  signBinding,
  signerFromSeed,
} from '../../src/identity/index.ts'

export const NETWORK = 'test'
export const HOUR_MS = 3_600_000
const SEALED_BYTES_MIN = 52

/** The node identity number so much. */
export function nodeOf(n: number) {
  const seed = new Uint8Array(32)
  new DataView(seed.buffer).setUint32(0, n + 1)
  return signerFromSeed(seed)
}

/** An Ethereum address, and its binding to a node as of `nowMs`. */
export async function boundTo(n: number, nowMs: number, version = nowMs) {
  const eth = ethSigner(new Uint8Array(32).fill(7))
  const times = { version, issuedMs: nowMs, expiresMs: nowMs + 24 * HOUR_MS }
  const binding = await signBinding(times, { eth, node: nodeOf(n) }, NETWORK)
  openBinding(binding, { network: NETWORK, nowMs })
  return { address: eth.address, binding }
}

/** What varies of a message. */
export interface MailOptions {
  readonly from?: number
  readonly to: EthAddress | PeerId | null
  readonly id?: number
  readonly nowMs?: number
  readonly lifeMs?: number
  readonly bytes?: number
  readonly network?: string
  readonly draft?: Partial<Draft>
}

/** A whole envelope, signed by its sender. */
export async function envelopeOf(options: MailOptions): Promise<Uint8Array> {
  const { from = 0, to, id = 1, nowMs = 0, lifeMs = HOUR_MS, bytes = 100 } = options
  const signer = nodeOf(from)
  const draft: Draft = {
    from: { peer: signer.peer },
    to: recipientOf(to),
    id: idOf(id),
    sentAtMs: nowMs,
    expiresAtMs: nowMs + lifeMs,
    kind: 'message',
    ...(to !== null && { preKey: new Uint8Array(8) }),
    body: new Uint8Array(Math.max(SEALED_BYTES_MIN, bytes)).fill(id % 256),
    ...options.draft,
  }
  return writeEnvelope(draft, signer, { network: options.network ?? NETWORK })
}

/** A row as a keeper has it, of bytes that nobody reads. */
export function mailOf(options: {
  readonly box?: string
  readonly from?: number
  readonly id?: number
  readonly origin?: string
  readonly bytes?: number
  readonly expiresMs?: number
}): Mail {
  const { box = 'box', from = 0, id = 1, origin, bytes = 100, expiresMs = HOUR_MS } = options
  const envelope = new Uint8Array(bytes)
  new DataView(envelope.buffer).setUint32(0, id)
  const { peer } = nodeOf(from)
  const place = { box, sender: peer, id: idOf(id), origin: origin ?? peer }
  return { ...place, hash: mailHash(envelope), expiresMs, envelope }
}

export function idOf(n: number): Uint8Array {
  const id = new Uint8Array(16)
  new DataView(id.buffer).setUint32(0, n)
  return id
}

function recipientOf(to: EthAddress | PeerId | null): Draft['to'] {
  if (to === null) return { topic: 'agent-messages' }
  return to.startsWith('0x') ? { address: to as EthAddress } : { peer: to as PeerId }
}
