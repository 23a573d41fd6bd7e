/**
 * What may stand in a log line, and what is cut from it before it is written.
 *
 * A log is read by more people than the node is run by, and is kept for longer. So nothing in it
 * finds a peer, opens a door or repeats what others said: identifiers are shortened, secrets are
 * cut by the name of their field and by their form, and of messages only the size is told. It is
 * done here, once, for all rooms and for the libraries that log through us. Texts are cut as well,
 * because much of what an error says was said by a peer.
 */

/** A field of a log line by its name, or a list of such. */
type Fields = Readonly<Record<string, unknown>>

const DEPTH_MAX = 4
const ITEMS_MAX = 64
const TEXT_MAX = 2_048

/** Secrets, and what carries the words of others. */
const SECRET =
  /^(?:authorization|cookie|body)$|(?:token|password|secret|mnemonic)$|(?:private|api)[_-]?key/i
const MESSAGE = /^(?:args|arguments|params|result|content|structuredContent|payload)$/

const BASE58 = '1-9A-HJ-NP-Za-km-z'
/** Peer ids in base58, and as CIDs in base36 and base32 (libp2p specs, peer-ids). */
const PEER_ID = new RegExp(
  `(?<![${BASE58}])(?:(?:12D3KooW|16Uiu2HA|Qm)[${BASE58}]{30,}|k51[0-9a-z]{40,}|baf[0-9a-z]{50,})`,
  'g',
)
const ETH_ADDRESS = /0x[0-9a-fA-F]{40}(?![0-9a-fA-F])/g
/** 32 bytes or more as hex: keys, signatures, hashes. */
const HEX = /(?:0x)?[0-9a-fA-F]{64,}/g
/** 32 bytes or more as base64: padded, or in the alphabet of URLs and of mixed case. */
const BASE64 = /[A-Za-z0-9+/]{42,}={1,2}/g
const BASE64_URL = /[A-Za-z0-9_-]{43,}/g
const BEARER = /\b(Bearer|Basic) +[\x21-\x7e]+/gi
/** Bytes as Node prints them: `<Buffer 01 02 …>` and `[ 1, 2, … ]`. */
const BYTES_HEX = /(?:\b[0-9a-f]{2} ){15,}[0-9a-f]{2}\b/g
const BYTES_LIST = /(?:\b\d{1,3},\s+){15,}\d{1,3}\b/g
/** The text that V8 quotes when it cannot parse it. */
const QUOTED_JSON = /(?:\.\.\.)?"[\s\S]*"(?:\.\.\.)? is not valid JSON/g

/** Every field as it may be written; the names of constants stay as they are. */
export function redactFields(fields: Fields): Fields {
  return Object.fromEntries(
    Object.entries(fields).map(([name, value]) => [name, redactValue(name, value, 0)]),
  )
}

/** A text without what finds a peer, opens a door, or repeats a message; of bounded length. */
export function redactText(text: string): string {
  const short = text.length > TEXT_MAX ? text.slice(0, TEXT_MAX) : text
  const more = text.length - short.length
  const clean = withoutJson(short)
    .replace(QUOTED_JSON, '"…" is not valid JSON')
    .replace(BEARER, '$1 [redacted]')
    .replace(PEER_ID, tail)
    .replace(ETH_ADDRESS, tail)
    .replace(HEX, (found) => `[${found.length} hex digits]`)
    .replace(BASE64, sized)
    .replace(BASE64_URL, (found) => (isMixed(found) ? sized(found) : found))
    .replace(BYTES_HEX, '…')
    .replace(BYTES_LIST, '…')
  return more > 0 ? `${clean}… (${more} more)` : clean
}

/** Enough to tell peers apart in a log, too little to find one by. */
function tail(id: string): string {
  return `…${id.slice(-6)}`
}

function sized(found: string): string {
  return `[${found.length} characters]`
}

/** What is random has both cases; a name in a path or of a host seldom has, at this length. */
function isMixed(text: string): boolean {
  return /[a-z]/.test(text) && /[A-Z]/.test(text)
}

/** An object of JSON inside a sentence is a message, or a part of one that was cut off. */
function withoutJson(text: string): string {
  const start = text.search(/[{[]\s*\\?"/)
  if (start < 0) return text
  const end = Math.max(text.lastIndexOf('}'), text.lastIndexOf(']')) + 1
  const rest = end > start ? text.slice(end) : ''
  return `${text.slice(0, start)}[${text.length - rest.length - start} characters of JSON]${rest}`
}

function redactValue(name: string, value: unknown, depth: number): unknown {
  if (SECRET.test(name)) return '[redacted]'
  if (MESSAGE.test(name)) return '[message]'
  if (typeof value === 'string') return redactText(value)
  if (value instanceof Error) return describe(value)
  if (typeof value !== 'object' || value === null) return value
  if (ArrayBuffer.isView(value)) return `[${value.byteLength} bytes]`
  if (depth >= DEPTH_MAX) return '[deeper]'
  if (Array.isArray(value)) return redactList(value, depth + 1)
  return Object.fromEntries(
    Object.entries(value)
      .slice(0, ITEMS_MAX)
      .map(([key, item]) => [redactText(key), redactValue(key, item, depth + 1)]),
  )
}

function redactList(items: readonly unknown[], depth: number): unknown[] {
  const kept = items.slice(0, ITEMS_MAX).map((item) => redactValue('', item, depth))
  const more = items.length - kept.length
  return more > 0 ? [...kept, `[${more} more]`] : kept
}

/** An error as its code, its message, and those of what caused it. */
function describe(error: Error, depth = 0): string {
  const code = 'code' in error && typeof error.code === 'string' ? `${error.code}: ` : ''
  const own = redactText(`${code}${error.message}`)
  if (depth >= DEPTH_MAX) return own
  const several: unknown[] = error instanceof AggregateError ? error.errors : []
  const inner = [error.cause, ...several]
  const causes = inner.filter((cause) => cause instanceof Error).slice(0, CAUSES_MAX)
  const said = causes.map((cause) => describe(cause, depth + 1)).join('; ')
  return said === '' ? own : `${own} (${said})`
}

const CAUSES_MAX = 3
