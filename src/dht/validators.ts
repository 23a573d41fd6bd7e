/**
 * Names of records: `/<namespace>/…`, and who may publish under each.
 *
 *   /peer/<peerId>           the subject itself
 *   /mcp/<service>/<peerId>  the peer that offers the service
 *   /data/<peerId>/<name>    that peer, whatever it likes; a name is 1 to 128 characters
 *   /word/<name>/<peerId>    the peer that calls itself so, as others may as well
 *
 * Every name carries its publisher, so nobody can write under the name of another, and nobody has
 * to be asked. A name outside these namespaces is refused: nothing could check it.
 */

import { fromUtf8, utf8 } from '../base/index.ts'
import { type PeerId, peerId } from '../identity/index.ts'
import { DhtError } from './errors.ts'
import { type DhtKey, dhtKey } from './key.ts'

export const NAME_BYTES_MAX = 256
const DATA_NAME_CHARS_MAX = 128
const SERVICE = /^[a-z0-9][a-z0-9-]{0,62}$/
/** One word: three are an address. ASCII: no letter of another alphabet looks like it. */
const WORD = /^[a-z][a-z0-9_]{1,30}[a-z0-9]$/
/** C0 and C1 controls would let a name pretend to be another on a terminal. */
const CONTROLS = /\p{Cc}/u

/** A checked name: its place in the DHT and the only peer that may publish it. */
export interface RecordName {
  readonly text: string
  readonly bytes: Uint8Array
  readonly key: DhtKey
  readonly publisher: PeerId
}

/** Checks the name of a record and says whose it is; throws `DHT_KEY_INVALID` for what is none. */
export function parseRecordName(text: string): RecordName {
  if (!text.isWellFormed()) throw invalid('…', 'it is not Unicode')
  const bytes = utf8(text)
  if (bytes.length > NAME_BYTES_MAX) {
    throw invalid(text, `it has ${bytes.length} bytes and the limit is ${NAME_BYTES_MAX}`)
  }
  const [empty, namespace = '', ...rest] = text.split('/')
  const publisherOf = NAMESPACES.get(namespace)
  if (empty !== '' || publisherOf === undefined) {
    const known = [...NAMESPACES.keys()].map((name) => `/${name}`)
    throw DhtError.NAMESPACE_UNKNOWN({ key: shown(text), known })
  }
  return { text, bytes, key: dhtKey(bytes), publisher: publisherOf(text, rest) }
}

/** As `parseRecordName`, from a message; bytes that are not UTF-8 are no name. */
export function parseRecordNameBytes(bytes: Uint8Array): RecordName {
  if (bytes.length > NAME_BYTES_MAX) throw invalid('…', `it has ${bytes.length} bytes`)
  return parseRecordName(textOf(bytes))
}

type PublisherOf = (text: string, rest: readonly string[]) => PeerId

const NAMESPACES: ReadonlyMap<string, PublisherOf> = new Map<string, PublisherOf>([
  [
    'peer',
    (text, [subject, ...rest]) => {
      if (rest.length > 0) throw invalid(text, 'wanted /peer/<peerId>')
      return peerIn(text, subject)
    },
  ],
  [
    'mcp',
    (text, [service = '', peer, ...rest]) => {
      if (rest.length > 0 || !SERVICE.test(service)) {
        throw invalid(text, 'wanted /mcp/<service>/<peerId>')
      }
      return peerIn(text, peer)
    },
  ],
  [
    'word',
    (text, [name = '', peer, ...rest]) => {
      if (rest.length > 0 || !WORD.test(name)) {
        throw invalid(text, 'wanted /word/<3 to 32 of a–z, 0–9 and _, a letter first>/<peerId>')
      }
      return peerIn(text, peer)
    },
  ],
  [
    'data',
    (text, [owner, ...rest]) => {
      const name = rest.join('/')
      if (name === '' || name.length > DATA_NAME_CHARS_MAX || CONTROLS.test(name)) {
        throw invalid(text, 'wanted /data/<peerId>/<name of 1 to 128 printable characters>')
      }
      return peerIn(text, owner)
    },
  ],
])

/** Another spelling of the same peer would be another name for the same thing. */
function peerIn(text: string, segment = ''): PeerId {
  try {
    const peer = peerId(segment)
    if (peer === segment) return peer
  } catch (cause) {
    throw DhtError.KEY_INVALID({ key: shown(text), reason: 'it names no peer' }, cause)
  }
  throw invalid(text, 'the peer id in it is not spelled as it should be')
}

function textOf(bytes: Uint8Array): string {
  try {
    return fromUtf8(bytes)
  } catch (cause) {
    throw DhtError.KEY_INVALID({ key: '…', reason: 'it is not UTF-8' }, cause)
  }
}

function invalid(text: string, reason: string) {
  return DhtError.KEY_INVALID({ key: shown(text), reason })
}

/** A stranger's text, short enough for a log line and without controls. */
function shown(text: string): string {
  return text.slice(0, 120).replaceAll(/\p{Cc}/gu, '·')
}
