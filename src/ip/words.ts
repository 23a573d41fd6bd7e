/**
 * An address and port as words that can be said over a telephone.
 *
 *   IPv4   32 bits of address, 16 of port   =  48 bits =  3 words
 *   IPv6  128 bits of address, 16 of port   = 144 bits =  9 words
 *
 * Each word carries 16 bits, big endian: its place in our list of 65,536 words, no two of which are
 * within one edit of each other. Nothing is lost and nothing is looked up: the words are the
 * address. They authenticate nobody, and fill their bits: every three words are some address.
 */

import { concatBytes, firstUse } from '../base/index.ts'
import { IPV4_BYTES, IPV6_BYTES, ipFromBytes, parseIp } from './address.ts'
import { loadDictionary } from './dictionary.ts'
import { IpError } from './errors.ts'
import { nearest } from './nearest.ts'

/** What can be said in words: an address and a port. */
export interface Endpoint {
  /** In canonical form. */
  readonly ip: string
  readonly port: number
}

const PORT_BYTES = 2
const WORD_BYTES = 2
const WORD_CHARS_MAX = 12
/** Nine of the longest words and what stands between them, with room for careless spacing. */
const TEXT_CHARS_MAX = 9 * (WORD_CHARS_MAX + 16)

/** Three words for an IPv4 address and port, nine for IPv6. */
export async function endpointToWords({ ip, port }: Endpoint): Promise<string> {
  if (!Number.isInteger(port) || port < 0 || port > 0xffff) {
    throw IpError.PORT_INVALID({ found: port })
  }
  const words = await dictionary()
  const bytes = concatBytes(parseIp(ip).bytes, Uint8Array.of(port >> 8, port & 0xff))
  return placesIn(bytes)
    .map((place) => words[place] ?? '')
    .join(' ')
}

/**
 * Reads what `endpointToWords` wrote, in any case, with spaces, dots or hyphens between the words.
 * A word that is not in the list is refused with the nearest ones that are.
 */
export async function wordsToEndpoint(text: string): Promise<Endpoint> {
  if (text.length > TEXT_CHARS_MAX) {
    throw IpError.WORDS_TOO_LONG({ size: text.length, limit: TEXT_CHARS_MAX })
  }
  const said = text.trim().toLowerCase().split(SEPARATORS)
  const bytesAll = said.length * WORD_BYTES
  if (bytesAll !== IPV4_BYTES + PORT_BYTES && bytesAll !== IPV6_BYTES + PORT_BYTES) {
    throw IpError.WORDS_COUNT({ found: text.trim() === '' ? 0 : said.length })
  }
  const words = await dictionary()
  const found = said.map((word, i) => placeOf(word, i, words))
  const bytes = Uint8Array.from(found.flatMap((place) => [place >> 8, place & 0xff]))
  const ip = ipFromBytes(bytes.slice(0, -PORT_BYTES)).text
  return { ip, port: placesIn(bytes).at(-1) ?? 0 }
}

const SEPARATORS = /[\s.-]+/

function dictionary(): Promise<readonly string[]> {
  return firstUse('the list of words', loadDictionary)
}

/** Looks through the list, for an index of it would take more memory than the list itself. */
function placeOf(word: string, index: number, words: readonly string[]): number {
  const place = words.indexOf(word)
  return place < 0 ? refuse(word, index, words) : place
}

function refuse(word: string, index: number, words: readonly string[]): never {
  throw IpError.WORD_UNKNOWN({
    word,
    position: index + 1,
    nearest: nearest(word.slice(0, WORD_CHARS_MAX + 2), words),
  })
}

/** The bytes as numbers of 16 bits, big endian. */
function placesIn(bytes: Uint8Array): number[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  return Array.from({ length: bytes.length / WORD_BYTES }, (_, i) => view.getUint16(WORD_BYTES * i))
}
