/**
 * The packets of the datagram face, and what is sealed in them. Numbers are big endian.
 *
 *   question    0 kind 4 · 1 flags · 2 public key (32) · 34 boot (8) · 42 counter (8)
 *               50 cookie (16) · 66 sealed: TCP port (2) · QUIC port (2) · messages … tag (16)
 *   answer      0 kind 5 · 1 flags · 2 boot (8) · 10 counter (8) · 18 echo (8) · 26 cookie (16)
 *               42 sealed: TCP port (2) · QUIC port (2) · message … tag (16)
 *   challenge   0 kind 6 · 1 echo (8) · 9 proof (8) · 17 cookie (16)
 *
 * Messages of a question are kad-dht's, each with its length in front as a varint; a length of 0
 * ends them, and zeros follow. An echo is the counter of the question; a proof is the last 8 bytes
 * of its packet. Port 0 is none. The first byte is one with which neither QUIC nor STUN begins
 * (RFC 9443). A packet is at most 1,232 bytes: IPv6's least MTU (1,280) without the headers of IPv6
 * and UDP, so that none is ever cut up.
 */

import { decodeVarint, encodeVarint, WireError } from '../wire/index.ts'

export const PACKET_BYTES_MAX = 1_232
export const KEY_BYTES = 32
export const BOOT_BYTES = 8
export const COOKIE_BYTES = 16
export const PROOF_BYTES = 8
export const TAG_BYTES = 16
const PORTS_BYTES = 4
const QUESTION_HEAD_BYTES = 66
const ANSWER_HEAD_BYTES = 42
export const CHALLENGE_BYTES = 33
/** An announcement and the question who provides are two. */
const MESSAGES_MAX = 4
const WORD = 2 ** 32

export const QUESTION = 4
export const ANSWER = 5
export const CHALLENGE = 6

/** The sender answers questions itself and may stand in routing tables. */
export const SERVES = 1
/** Something that was asked for did not fit. */
export const PARTIAL = 2
/** Nothing was done. */
export const REFUSED = 4

/** What an answer may hold besides its head. */
export const ANSWER_ROOM_BYTES = PACKET_BYTES_MAX - ANSWER_HEAD_BYTES - PORTS_BYTES - TAG_BYTES
const QUESTION_ROOM_BYTES = PACKET_BYTES_MAX - QUESTION_HEAD_BYTES - PORTS_BYTES - TAG_BYTES

/** Where the sender of a packet is reached over streams, at the address it came from. */
export interface StreamPorts {
  readonly tcp: number
  readonly quic: number
}

/** A packet taken apart; its parts share the packet's memory. */
export type Packet = QuestionPacket | AnswerPacket | ChallengePacket

interface Sealed {
  readonly flags: number
  readonly boot: Uint8Array
  readonly counter: number
  readonly cookie: Uint8Array
  /** All that stands before what is sealed, and is authenticated with it. */
  readonly head: Uint8Array
  readonly sealed: Uint8Array
}

export interface QuestionPacket extends Sealed {
  readonly kind: typeof QUESTION
  readonly key: Uint8Array
  readonly proof: Uint8Array
}

export interface AnswerPacket extends Sealed {
  readonly kind: typeof ANSWER
  readonly echo: number
}

export interface ChallengePacket {
  readonly kind: typeof CHALLENGE
  readonly echo: number
  readonly proof: Uint8Array
  readonly cookie: Uint8Array
}

/** `undefined` for whatever is no packet of ours: noise is dropped, and costs no error. */
export function parsePacket(bytes: Uint8Array): Packet | undefined {
  if (bytes.length > PACKET_BYTES_MAX) return undefined
  switch (bytes[0]) {
    case QUESTION:
      return parseQuestion(bytes)
    case ANSWER:
      return parseAnswer(bytes)
    case CHALLENGE:
      return parseChallenge(bytes)
    default:
      return undefined
  }
}

/** The head of a question, authenticated as it is. */
export function questionHead(
  flags: number,
  key: Uint8Array,
  { boot, counter, cookie }: Pick<Sealed, 'boot' | 'counter' | 'cookie'>,
): Uint8Array {
  const head = new Uint8Array(QUESTION_HEAD_BYTES)
  head[0] = QUESTION
  head[1] = flags
  head.set(key, 2)
  head.set(boot, 34)
  writeCounter(head, 42, counter)
  head.set(cookie, 50)
  return head
}

export function answerHead(
  flags: number,
  echo: number,
  { boot, counter, cookie }: Pick<Sealed, 'boot' | 'counter' | 'cookie'>,
): Uint8Array {
  const head = new Uint8Array(ANSWER_HEAD_BYTES)
  head[0] = ANSWER
  head[1] = flags
  head.set(boot, 2)
  writeCounter(head, 10, counter)
  writeCounter(head, 18, echo)
  head.set(cookie, 26)
  return head
}

export function encodeChallenge(echo: number, proof: Uint8Array, cookie: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(CHALLENGE_BYTES)
  bytes[0] = CHALLENGE
  writeCounter(bytes, 1, echo)
  bytes.set(proof, 9)
  bytes.set(cookie, 17)
  return bytes
}

/** What a question seals; `undefined` when it does not fit one packet. */
export function questionBody(
  ports: StreamPorts,
  messages: readonly Uint8Array[],
): Uint8Array | undefined {
  if (messages.length > MESSAGES_MAX) return undefined
  const lengths = messages.map(({ length }) => encodeVarint(length))
  const size = messages.reduce((sum, { length }, i) => sum + length + (lengths[i]?.length ?? 0), 0)
  if (size > QUESTION_ROOM_BYTES) return undefined
  const body = withPorts(ports, size)
  let at = PORTS_BYTES
  for (const [i, message] of messages.entries()) {
    const length = lengths[i] ?? new Uint8Array()
    body.set(length, at)
    body.set(message, at + length.length)
    at += length.length + message.length
  }
  return body
}

/** The same body, filled up so that its packet is as long as any answer to it can be. */
export function padded(body: Uint8Array): Uint8Array {
  const filled = new Uint8Array(PORTS_BYTES + QUESTION_ROOM_BYTES)
  filled.set(body)
  return filled
}

/** Whether the packet of a question is as long as any answer can be. */
export function isPadded({ head, sealed }: Pick<QuestionPacket, 'head' | 'sealed'>): boolean {
  return head.length + sealed.length === PACKET_BYTES_MAX
}

/** What an answer seals. */
export function answerBody(ports: StreamPorts, message: Uint8Array): Uint8Array {
  const body = withPorts(ports, message.length)
  body.set(message, PORTS_BYTES)
  return body
}

/** Reads what a question sealed; throws a coded error for what is no question. */
export function readQuestionBody(body: Uint8Array): {
  ports: StreamPorts
  messages: readonly Uint8Array[]
} {
  const ports = readPorts(body)
  const messages: Uint8Array[] = []
  let at = PORTS_BYTES
  while (at < body.length) {
    const length = decodeVarint(body, at)
    if (length === undefined || at + length.size + length.value > body.length) {
      throw WireError.TRUNCATED({ need: length?.value ?? 1, have: body.length - at })
    }
    if (length.value === 0) {
      checkPadding(body.subarray(at))
      break
    }
    if (messages.length === MESSAGES_MAX) {
      throw WireError.TOO_LONG({ field: 'question', size: MESSAGES_MAX + 1, limit: MESSAGES_MAX })
    }
    at += length.size
    messages.push(body.subarray(at, at + length.value))
    at += length.value
  }
  if (messages.length === 0) throw WireError.TRUNCATED({ need: 1, have: 0 })
  return { ports, messages }
}

/** Nothing is smuggled in behind the messages. */
function checkPadding(padding: Uint8Array): void {
  const found = padding.find((byte) => byte !== 0)
  if (found !== undefined) throw WireError.MALFORMED({ field: 'padding', found })
}

/** Reads what an answer sealed. */
export function readAnswerBody(body: Uint8Array): { ports: StreamPorts; message: Uint8Array } {
  return { ports: readPorts(body), message: body.subarray(PORTS_BYTES) }
}

function parseQuestion(bytes: Uint8Array): QuestionPacket | undefined {
  if (bytes.length < QUESTION_HEAD_BYTES + PORTS_BYTES + TAG_BYTES) return undefined
  const counter = readCounter(bytes, 42)
  if (counter === undefined) return undefined
  return {
    kind: QUESTION,
    flags: bytes[1] ?? 0,
    key: bytes.subarray(2, 34),
    boot: bytes.subarray(34, 42),
    counter,
    cookie: bytes.subarray(50, QUESTION_HEAD_BYTES),
    head: bytes.subarray(0, QUESTION_HEAD_BYTES),
    sealed: bytes.subarray(QUESTION_HEAD_BYTES),
    proof: bytes.subarray(bytes.length - PROOF_BYTES),
  }
}

function parseAnswer(bytes: Uint8Array): AnswerPacket | undefined {
  if (bytes.length < ANSWER_HEAD_BYTES + PORTS_BYTES + TAG_BYTES) return undefined
  const counter = readCounter(bytes, 10)
  const echo = readCounter(bytes, 18)
  if (counter === undefined || echo === undefined) return undefined
  return {
    kind: ANSWER,
    flags: bytes[1] ?? 0,
    boot: bytes.subarray(2, 10),
    counter,
    echo,
    cookie: bytes.subarray(26, ANSWER_HEAD_BYTES),
    head: bytes.subarray(0, ANSWER_HEAD_BYTES),
    sealed: bytes.subarray(ANSWER_HEAD_BYTES),
  }
}

function parseChallenge(bytes: Uint8Array): ChallengePacket | undefined {
  if (bytes.length !== CHALLENGE_BYTES) return undefined
  const echo = readCounter(bytes, 1)
  if (echo === undefined) return undefined
  return { kind: CHALLENGE, echo, proof: bytes.subarray(9, 17), cookie: bytes.subarray(17) }
}

function withPorts({ tcp, quic }: StreamPorts, size: number): Uint8Array {
  const body = new Uint8Array(PORTS_BYTES + size)
  body[0] = tcp >> 8
  body[1] = tcp & 0xff
  body[2] = quic >> 8
  body[3] = quic & 0xff
  return body
}

function readPorts(body: Uint8Array): StreamPorts {
  const port = (at: number) => ((body[at] ?? 0) << 8) | (body[at + 1] ?? 0)
  return { tcp: port(0), quic: port(2) }
}

function writeCounter(bytes: Uint8Array, at: number, counter: number): void {
  writeWord(bytes, at, Math.floor(counter / WORD))
  writeWord(bytes, at + 4, counter % WORD)
}

function writeWord(bytes: Uint8Array, at: number, word: number): void {
  bytes[at] = word >>> 24
  bytes[at + 1] = (word >>> 16) & 0xff
  bytes[at + 2] = (word >>> 8) & 0xff
  bytes[at + 3] = word & 0xff
}

/** `undefined` from 2⁴⁸ on: nobody counts so far. */
function readCounter(bytes: Uint8Array, at: number): number | undefined {
  const high = readWord(bytes, at)
  return high < 65_536 ? high * WORD + readWord(bytes, at + 4) : undefined
}

function readWord(bytes: Uint8Array, at: number): number {
  const high = ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0)
  const low = ((bytes[at + 2] ?? 0) << 8) | (bytes[at + 3] ?? 0)
  return high * 65_536 + low
}
