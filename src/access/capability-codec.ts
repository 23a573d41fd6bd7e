/**
 * The bytes of a capability token: base64url of deterministic CBOR, read whole or not at all.
 *
 *   token    [1, [block, …]]              1 to 8 blocks; at most 4,096 characters as text
 *   block    [payload (bytes), signature (64 bytes)]
 *   payload  a map with these keys, in this order:
 *     1  issuer      peer id, bytes       first block only
 *     2  audience    peer id, bytes
 *     3  nonce       16 bytes
 *     4  service     text                 first block only
 *     5  tool        text, or "*"         first block; later ones where they narrow it, and so on:
 *     6  args        map: argument → [0, value] · [1, [value, …]] · [2, path] · [3, limit]
 *     7  notBefore   Unix seconds
 *     8  expires     Unix seconds
 *     9  callsMax    at least 1; absent from the first block where there is no limit
 *
 * The issuer of a later block is the audience of the one before it, so it is not written.
 */

import { type PeerId, peerIdFromBytes, peerIdToBytes, SIGNATURE_BYTES } from '../identity/index.ts'
import { type Cbor, decodeCbor, encodeCbor } from '../wire/index.ts'
import { ARGS_MAX, CALLS_MAX, type Claims, type Narrowing } from './capability-claims.ts'
import {
  type ArgRule,
  isSoundPath,
  ONE_OF_MAX,
  type Scalar,
  TEXT_CHARS_MAX,
} from './capability-rules.ts'
import { AccessError } from './errors.ts'

/** A token that is longer is not read. */
export const TOKEN_CHARS_MAX = 4_096
export const BLOCKS_MAX = 8
export const NONCE_BYTES = 16
const TOKEN_BYTES_MAX = (TOKEN_CHARS_MAX / 4) * 3
const VERSION = 1
const KEYS = { issuer: 1, audience: 2, nonce: 3, service: 4, tool: 5 } as const
const LIMIT_KEYS = { args: 6, notBefore: 7, expires: 8, callsMax: 9 } as const
const SERVICE = /^[a-z0-9][a-z0-9-]{0,62}$/
const TOOL = /^(?:\*|[A-Za-z0-9_./-]{1,128})$/
const ARGUMENT = /^(?!(?:__proto__|constructor|prototype)$)[A-Za-z0-9_.$-]{1,64}$/

export interface FirstPayload extends Claims {
  readonly issuer: PeerId
  readonly audience: PeerId
  readonly nonce: Uint8Array
}

export interface NextPayload extends Narrowing {
  readonly audience: PeerId
  readonly nonce: Uint8Array
}

/** A block as it stands in a token. */
export interface SealedBlock {
  readonly payload: Uint8Array
  readonly signature: Uint8Array
}

export function encodeToken(blocks: readonly SealedBlock[]): string {
  const sealed = blocks.map(({ payload, signature }) => [payload, signature])
  const text = Buffer.from(encodeCbor([VERSION, sealed])).toString('base64url')
  if (text.length <= TOKEN_CHARS_MAX && blocks.length <= BLOCKS_MAX) return text
  const found = `${blocks.length} blocks and ${text.length} characters`
  const wanted = `at most ${BLOCKS_MAX} and ${TOKEN_CHARS_MAX}: give fewer or shorter rules`
  throw AccessError.GRANT_REQUEST({ field: 'the token', found, wanted })
}

/** The blocks of a token, with nothing verified yet but their form. */
export function decodeToken(token: string): readonly SealedBlock[] {
  if (token.length > TOKEN_CHARS_MAX) throw invalid(`${token.length} characters`)
  const bytes = Buffer.from(token, 'base64url')
  if (bytes.toString('base64url') !== token) throw invalid('text that is no base64url')
  const [version, blocks, ...rest] = list(decode(bytes, 'token'), 'token')
  if (version !== VERSION || rest.length > 0) throw invalid('a token of another version')
  const sealed = list(blocks, 'blocks').map(readBlock)
  if (sealed.length >= 1 && sealed.length <= BLOCKS_MAX) return sealed
  throw invalid(`${sealed.length} blocks, not 1 to ${BLOCKS_MAX}`)
}

export function encodeFirst(payload: FirstPayload): Uint8Array {
  const head: [number, Cbor][] = [
    [KEYS.issuer, peerIdToBytes(payload.issuer)],
    [KEYS.audience, peerIdToBytes(payload.audience)],
    [KEYS.nonce, payload.nonce],
    [KEYS.service, payload.service],
  ]
  return encodeCbor(new Map([...head, ...limitsOf(payload)]))
}

export function encodeNext(payload: NextPayload): Uint8Array {
  const head: [number, Cbor][] = [
    [KEYS.audience, peerIdToBytes(payload.audience)],
    [KEYS.nonce, payload.nonce],
  ]
  return encodeCbor(new Map([...head, ...limitsOf(payload)]))
}

export function decodeFirst(bytes: Uint8Array): FirstPayload {
  const map = readMap(bytes, [...Object.values(KEYS), ...Object.values(LIMIT_KEYS)])
  const { tool, args = {}, notBefore, expires, callsMax = null } = readLimits(map)
  if (tool === undefined || notBefore === undefined || expires === undefined) {
    throw invalid('a first block without tool, notBefore or expires')
  }
  const head = { issuer: readPeer(map, KEYS.issuer), ...readHead(map) }
  const service = readText(map.get(KEYS.service), 'service', SERVICE)
  return { ...head, service, tool, args, notBefore, expires, callsMax }
}

export function decodeNext(bytes: Uint8Array): NextPayload {
  const { audience, nonce, tool } = KEYS
  const map = readMap(bytes, [audience, nonce, tool, ...Object.values(LIMIT_KEYS)])
  return { ...readHead(map), ...readLimits(map) }
}

function limitsOf(limits: Narrowing): [number, Cbor][] {
  const { tool, args = {}, notBefore, expires, callsMax = null } = limits
  const rules = Object.entries(args).map(([name, rule]): [string, Cbor] => [name, packRule(rule)])
  const rows: [number, Cbor | null][] = [
    [KEYS.tool, tool ?? null],
    [LIMIT_KEYS.args, rules.length === 0 ? null : new Map(rules)],
    [LIMIT_KEYS.notBefore, notBefore ?? null],
    [LIMIT_KEYS.expires, expires ?? null],
    [LIMIT_KEYS.callsMax, callsMax],
  ]
  return rows.filter(([, value]) => value !== null)
}

function packRule(rule: ArgRule): Cbor {
  if (rule.kind === 'equals') return [0, rule.value]
  if (rule.kind === 'oneof') return [1, [...rule.values]]
  return rule.kind === 'prefix' ? [2, rule.path] : [3, rule.limit]
}

type Payload = ReadonlyMap<Cbor, Cbor>

function readHead(map: Payload): Pick<NextPayload, 'audience' | 'nonce'> {
  const nonce = map.get(KEYS.nonce)
  if (!(nonce instanceof Uint8Array) || nonce.length !== NONCE_BYTES) {
    throw invalid(`a nonce that is not ${NONCE_BYTES} bytes`)
  }
  return { audience: readPeer(map, KEYS.audience), nonce }
}

function readLimits(map: Payload): Narrowing {
  const tool = map.get(KEYS.tool)
  const args = map.get(LIMIT_KEYS.args)
  const callsMax = map.get(LIMIT_KEYS.callsMax)
  return {
    ...(tool !== undefined && { tool: readText(tool, 'tool', TOOL) }),
    ...(args !== undefined && { args: readArgs(args) }),
    ...readSeconds(map, 'notBefore'),
    ...readSeconds(map, 'expires'),
    ...(callsMax !== undefined && { callsMax: readCalls(callsMax) }),
  }
}

function readSeconds(map: Payload, name: 'notBefore' | 'expires'): Narrowing {
  const value = map.get(LIMIT_KEYS[name])
  if (value === undefined) return {}
  if (typeof value === 'number' && value >= 0 && value <= SECONDS_MAX) return { [name]: value }
  throw invalid(`${name} that is no time`)
}

/** The year 9999: what a date can show. */
const SECONDS_MAX = 253_402_300_799

function readCalls(value: Cbor): number {
  if (typeof value === 'number' && value >= 1 && value <= CALLS_MAX) return value
  throw invalid(`callsMax that is not 1 to ${CALLS_MAX}`)
}

function readArgs(value: Cbor): Record<string, ArgRule> {
  if (!(value instanceof Map) || value.size === 0 || value.size > ARGS_MAX) {
    throw invalid(`args that are no map of 1 to ${ARGS_MAX}`)
  }
  const rules = [...(value as Payload)].map(([name, rule]): [string, ArgRule] => {
    return [readText(name, 'the name of an argument', ARGUMENT), readRule(rule)]
  })
  return Object.fromEntries(rules)
}

function readRule(value: Cbor): ArgRule {
  const [kind, content, ...rest] = list(value, 'a rule')
  if (rest.length === 0) {
    if (kind === 0 && isScalar(content)) return { kind: 'equals', value: content }
    if (kind === 1 && Array.isArray(content) && content.length <= ONE_OF_MAX) {
      const values = content.filter(isScalar)
      if (values.length > 0 && values.length === content.length) return { kind: 'oneof', values }
    }
    if (kind === 2 && typeof content === 'string' && isSoundPath(content)) {
      return { kind: 'prefix', path: content }
    }
    if (kind === 3 && typeof content === 'number') return { kind: 'max', limit: content }
  }
  throw invalid('a rule of no known form')
}

function isScalar(value: unknown): value is Scalar {
  if (typeof value === 'string') return value.length <= TEXT_CHARS_MAX
  return typeof value === 'number' || typeof value === 'boolean'
}

function readBlock(value: Cbor): SealedBlock {
  const [payload, signature, ...rest] = list(value, 'a block')
  if (payload instanceof Uint8Array && signature instanceof Uint8Array && rest.length === 0) {
    if (signature.length === SIGNATURE_BYTES) return { payload, signature }
  }
  throw invalid('a block that is not payload and signature')
}

function readMap(bytes: Uint8Array, known: readonly number[]): Payload {
  const map = decode(bytes, 'payload')
  if (!(map instanceof Map)) throw invalid('a payload that is no map')
  const keys = [...(map as Payload).keys()]
  if (keys.every((key) => typeof key === 'number' && known.includes(key))) return map as Payload
  throw invalid('a payload with an unknown key')
}

function readPeer(map: Payload, key: number): PeerId {
  const bytes = map.get(key)
  if (!(bytes instanceof Uint8Array)) throw invalid('a peer id that is no bytes')
  try {
    return peerIdFromBytes(bytes)
  } catch (cause) {
    throw invalid('bytes that are no peer id', cause)
  }
}

function readText(value: Cbor | undefined, field: string, form: RegExp): string {
  if (typeof value === 'string' && form.test(value)) return value
  throw invalid(`${field} of no known form`)
}

function list(value: Cbor | undefined, field: string): readonly Cbor[] {
  if (Array.isArray(value)) return value as readonly Cbor[]
  throw invalid(`${field} that is no list`)
}

function decode(bytes: Uint8Array, field: string): Cbor {
  try {
    return decodeCbor(bytes, field, TOKEN_BYTES_MAX)
  } catch (cause) {
    throw invalid(`${field} that is no deterministic CBOR`, cause)
  }
}

function invalid(found: string, cause?: unknown) {
  return AccessError.GRANT_INVALID({ found }, cause)
}
