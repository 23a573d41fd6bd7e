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
const SECRET_WORD = 'token|password|passphrase|secret|mnemonic|credential'
const SECRET_KEY = '(?:private|secret|api)[_-]?key'
const SECRET = new RegExp(
  `^(?:authorization|(?:set-)?cookie|body|env)$|(?:${SECRET_WORD})s?$|${SECRET_KEY}`,
  'i',
)
const MESSAGE = /^(?:args|arguments|params|result|content|structuredContent|payload)$/

const BASE58 = '1-9A-HJ-NP-Za-km-z'
/** Peer ids in base58, and as CIDs in base36 and base32 (libp2p specs, peer-ids). */
const PEER_ID = new RegExp(
  `(?<![${BASE58}])(?:(?:12D3KooW|16Uiu2HA|Qm)[${BASE58}]{30,}|` +
    'k(?:51|2k)[0-9a-z]{40,}|baf[0-9a-z]{50,})',
  'g',
)
const ETH_ADDRESS = /0x[0-9a-fA-F]{40}(?![0-9a-fA-F])/g
/** 32 bytes or more as hex: keys, signatures, hashes. */
const HEX = /(?:0x)?[0-9a-fA-F]{64,}/g
/** 32 bytes or more as base64, each run looked at once; in the alphabet of URLs as well. */
const BASE64 = /(?<![A-Za-z0-9+/])[A-Za-z0-9+/]{42,}={0,2}/g
const BASE64_URL = /(?<![A-Za-z0-9_-])[A-Za-z0-9_-]{43,}/g
/** `?token=…` of a URL, `API_KEY=…` of an environment; and who logs in by a URL (RFC 3986). */
const NAMED = new RegExp(`((?:${SECRET_WORD}|${SECRET_KEY})=)[^\\s&;,"')]+`, 'gi')
const LOGIN = /(?<=:\/\/)[^\s/?#@]{1,256}(?=@)/g
const BEARER = /\b(Bearer|Basic) +[\x21-\x7e]+/gi
/** Bytes as Node prints them: `<Buffer 01 02 …>` and `[ 1, 2, … ]`. */
const BYTES_HEX = /(?:\b[0-9a-f]{2} ){15,}[0-9a-f]{2}\b/g
const BYTES_LIST = /(?:\b\d{1,3},\s+){15,}\d{1,3}\b/g
/** What V8 says after the text that it could not parse, which it quotes. */
const NOT_JSON = ' is not valid JSON'

/** Every field as it may be written; the names of constants stay as they are. */
export function redactFields(fields: Fields): Fields {
  return Object.fromEntries(
    Object.entries(fields).map(([name, value]) => [name, redactField(name, value)]),
  )
}

/** A value that cannot be read must not end the work that wanted to log it. */
function redactField(name: string, value: unknown): unknown {
  try {
    return redactValue(name, value, 0)
  } catch {
    return '[unreadable]'
  }
}

/** A text without what finds a peer, opens a door, or repeats a message; of bounded length. */
export function redactText(text: string): string {
  const short = text.length > TEXT_MAX ? wholeWords(text.slice(0, TEXT_MAX)) : text
  const more = text.length - short.length
  const clean = withoutQuoted(withoutJson(short))
    .replace(BEARER, '$1 [redacted]')
    .replace(NAMED, '$1[redacted]')
    .replace(LOGIN, '[redacted]')
    .replace(PEER_ID, tail)
    .replace(ETH_ADDRESS, tail)
    .replace(HEX, (found) => `[${found.length} hex digits]`)
    .replace(BASE64, (found) => (isBase64(found) ? sized(found) : found))
    .replace(BASE64_URL, (found) => (isMixed(found) ? sized(found) : found))
    .replace(BYTES_HEX, '…')
    .replace(BYTES_LIST, '…')
  return more > 0 ? `${clean}… (${more} more)` : clean
}

/** Half of a secret is no longer known by its form, so what was cut in the middle goes. */
function wholeWords(text: string): string {
  let end = text.length
  while (end > 0 && /[\w+/=-]/.test(text.charAt(end - 1))) end -= 1
  return text.slice(0, end)
}

/** From the first quotation mark on, for what V8 quotes may hold some itself. */
function withoutQuoted(text: string): string {
  const end = text.lastIndexOf(NOT_JSON)
  const start = text.indexOf('"')
  return end < 0 || start < 0 || start > end ? text : `${text.slice(0, start)}"…"${text.slice(end)}`
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

/** Padded, or as random as bytes are: a path has more slashes. */
function isBase64(text: string): boolean {
  if (text.endsWith('=')) return true
  const slashes = text.split('/').length - 1
  return text.length >= 43 && isMixed(text) && /\d/.test(text) && slashes * 12 <= text.length
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
  // A number is a count of them.
  if (SECRET.test(name) && typeof value !== 'number') return '[redacted]'
  if (MESSAGE.test(name)) return '[message]'
  if (typeof value === 'string') return redactText(value)
  if (typeof value === 'bigint') return value >> 64n === 0n ? String(value) : '[large number]'
  if (value instanceof Error) return describe(value)
  if (typeof value !== 'object' || value === null) return value
  if (ArrayBuffer.isView(value) || value instanceof ArrayBuffer) {
    return `[${value.byteLength} bytes]`
  }
  if (value instanceof URL) return redactText(value.href)
  if (value instanceof Date) return Number.isNaN(value.valueOf()) ? null : value.toISOString()
  if (depth >= DEPTH_MAX) return '[deeper]'
  if (Array.isArray(value)) return redactList(value, depth + 1)
  if (value instanceof Set) return redactList([...value], depth + 1)
  if (value instanceof Map) return redactValue(name, namedEntries(value), depth)
  return Object.fromEntries(
    Object.entries(value)
      .slice(0, ITEMS_MAX)
      .map(([key, item]) => [redactText(key), redactValue(key, item, depth + 1)]),
  )
}

/** As an object; what is no text among the names becomes one, and is cut like one. */
function namedEntries(map: ReadonlyMap<unknown, unknown>): Readonly<Record<string, unknown>> {
  const entries = [...map].map(([key, item], i) => [
    typeof key === 'string' ? key : String(i),
    item,
  ])
  return Object.fromEntries(entries) as Readonly<Record<string, unknown>>
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
