/**
 * The datagram face's machinery without a network: keys of made-up nodes, and two sides whose packets
 * go where the test says.
 */

import assert from 'node:assert/strict'
import { seededRandom } from '../../src/base/index.ts'
import { Answering, type Question } from '../../src/dht/datagram-answering.ts'
import { Asking, type Outcome } from '../../src/dht/datagram-asking.ts'
import { DatagramBook } from '../../src/dht/datagram-book.ts'
import { Cookies } from '../../src/dht/datagram-cookies.ts'
import { DatagramKeys } from '../../src/dht/datagram-keys.ts'
import {
  ANSWER,
  CHALLENGE,
  parsePacket,
  questionBody,
  SERVES,
} from '../../src/dht/datagram-packet.ts'
import { agreementOf, generateKeys, type PeerId } from '../../src/identity/index.ts'
import type { UdpEndpoint } from '../../src/net/index.ts'
import { NETWORK } from './dht-fixture.ts'

/** The keys of a node: the same for the same number. */
export function keysOf(seed: number) {
  const keys = generateKeys(seededRandom(`datagram ${seed}`))
  return { ...keys, agreement: agreementOf(keys) ?? assert.fail() }
}

/** One packet on its way. */
export interface Sent {
  readonly bytes: Uint8Array
  readonly to: UdpEndpoint
}

export interface SideOptions {
  /** Another number is another run of the same node. */
  readonly run?: number
  readonly network?: string
  readonly perHost?: number
  readonly startedMs?: number
  /** In place of its key agreement, such as one that is counted. */
  readonly agreed?: (peer: PeerId) => void
}

/** One node's end: it asks, is asked, and keeps what it would send. */
export class Side {
  readonly peer: PeerId
  readonly publicKey: Uint8Array
  readonly at: UdpEndpoint
  readonly book = new DatagramBook()
  readonly keys: DatagramKeys
  readonly asking: Asking
  readonly answering: Answering
  readonly boot: Uint8Array
  readonly out: Sent[] = []
  /** What came of each packet that was a question. */
  readonly verdicts: string[] = []
  readonly questions: Question[] = []
  /** What a question is answered with. */
  reply = Uint8Array.of(8, 5)
  flags = 0

  constructor(seed: number, at: UdpEndpoint, options: SideOptions = {}) {
    const { signer, agreement } = keysOf(seed)
    const random = seededRandom(`side ${seed} ${options.run ?? 0}`)
    this.peer = signer.peer
    this.publicKey = signer.publicKey
    this.at = at
    this.boot = random.bytes(8)
    const agreed = (peer: PeerId) => {
      options.agreed?.(peer)
      return agreement(peer)
    }
    const { network = NETWORK, perHost = 1_000, startedMs = 0 } = options
    const { peer: self, boot, book, publicKey } = this
    this.keys = new DatagramKeys({ self, network, agreement: agreed, boot, startedMs })
    const send = (bytes: Uint8Array, to: UdpEndpoint) => void this.out.push({ bytes, to })
    const { keys } = this
    const cookies = new Cookies(random.bytes(32))
    this.asking = new Asking({ keys, book, publicKey, boot, flags: SERVES, send })
    this.answering = new Answering({ keys, book, cookies, boot, flags: SERVES, send }, perHost)
  }

  /** Asks, and says how it ended once it has. */
  ask(
    other: Side,
    message: Uint8Array,
    nowMs: number,
    { mayBeEarly = false } = {},
  ): { outcome?: Outcome } {
    const ended: { outcome?: Outcome } = {}
    const body = questionBody({ tcp: 9_000, quic: 9_001 }, [message]) ?? assert.fail()
    const { peer, publicKey, at } = other
    const settle = (outcome: Outcome) => {
      assert.equal(ended.outcome, undefined, 'a question ends once')
      ended.outcome = outcome
    }
    this.asking.ask({ peer, publicKey, at, body, mayBeEarly, settle }, nowMs)
    return ended
  }

  /** Takes a packet as it came. */
  receive(bytes: Uint8Array, from: UdpEndpoint, nowMs: number): void {
    const packet = parsePacket(bytes)
    if (packet === undefined) return
    if (packet.kind === ANSWER) this.asking.answered(packet, from, nowMs)
    else if (packet.kind === CHALLENGE) this.asking.challenged(packet, from, nowMs)
    else {
      const question = this.answering.asked(packet, from, nowMs)
      this.verdicts.push(typeof question === 'string' ? question : 'question')
      if (typeof question === 'string') return
      this.questions.push(question)
      const ports = { tcp: 9_000, quic: 9_001 }
      this.answering.answer(question, { message: this.reply, flags: this.flags, ports }, nowMs)
    }
  }
}

/** Carries what two sides have sent, once each, until neither has more to say. */
export function carry(a: Side, b: Side, nowMs: number): void {
  for (let rounds = 0; rounds < 100; rounds += 1) {
    const packets = [...a.out.splice(0).map((sent) => ({ sent, from: a, to: b }))]
    packets.push(...b.out.splice(0).map((sent) => ({ sent, from: b, to: a })))
    if (packets.length === 0) return
    for (const { sent, from, to } of packets) {
      if (sent.to.host === to.at.host) to.receive(sent.bytes, from.at, nowMs)
    }
  }
  assert.fail('two sides went on for ever')
}
