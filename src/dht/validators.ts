/**
 * Names of records: `/<namespace>/…`, and who may publish under each.
 *
 *   /peer/<peerId>           the subject itself
 *   /mcp/<service>/<peerId>  the peer that offers the service
 *   /data/<peerId>/<name>    that peer, whatever it likes; a name is 1 to 128 characters
 *   /word/<name>/<peerId>    the peer that calls itself so, as others may as well
 *   /eth/<address>           the peer that the address is bound to, by a value that both signed
 *
 * Every other name carries its publisher, so nobody can write under the name of another, and nobody
 * has to be asked. A name outside these namespaces is refused: nothing could check it.
 */

import { fromUtf8, utf8 } from '../base/index.ts'
import { ethAddress, isEthAddress, type PeerId, peerId } from '../identity/index.ts'
import { DhtError } from './errors.ts'
import { checkEthForm, checkEthProof, ETH_RECORD_SECONDS } from './eth-record.ts'
import { type DhtKey, dhtKey } from './key.ts'
import type { Claim } from './record.ts'

export const NAME_BYTES_MAX = 256
const DATA_NAME_CHARS_MAX = 128
const SERVICE = /^[a-z0-9][a-z0-9-]{0,62}$/
/** One word: three are an address. ASCII: no letter of another alphabet looks like it. */
const WORD = /^[a-z][a-z0-9_]{1,30}[a-z0-9]$/
/** C0 and C1 controls would let a name pretend to be another on a terminal. */
const CONTROLS = /\p{Cc}/u

/** A checked name: its place in the DHT, and who alone may publish it, or how to know that. */
export interface RecordName {
  readonly text: string
  readonly bytes: Uint8Array
  readonly key: DhtKey
  readonly publisher: PeerId | ValueRule
}

/** Where the value says who may publish it. */
export interface ValueRule {
  /** Throws for what by its form alone is none; the signatures are looked at last. */
  readonly checkForm: (claim: Claim) => void
  readonly checkProof: (claim: Claim, at: { network: string; nowMs: number }) => void
  /** How long a holder keeps it at most, whatever it does with other records. */
  readonly keptSecondsMax: number
}

/** Throws unless the record is the publisher's to write, as far as that costs nothing to know. */
export function checkPublisher({ text, publisher: wanted }: RecordName, claim: Claim): void {
  const { publisher } = claim
  if (typeof wanted !== 'string') wanted.checkForm(claim)
  else if (publisher !== wanted) throw DhtError.NOT_PUBLISHER({ key: text, publisher, wanted })
}

/** Checks the name of a record and says whose it is; throws `DHT_KEY_INVALID` for what is none. */
export function parseRecordName(text: string): RecordName {
  if (!text.isWellFormed()) throw invalid('…', 'it is not Unicode')
  const bytes = utf8(text)
  if (bytes.length > NAME_BYTES_MAX) {
    throw invalid(text, `it has ${bytes.length} bytes and the limit is ${NAME_BYTES_MAX}`)
  }
  const [empty, namespace = '', ...rest] = text.split('/')
  const ownerOf = NAMESPACES.get(namespace)
  if (empty !== '' || ownerOf === undefined) {
    const known = [...NAMESPACES.keys()].map((name) => `/${name}`)
    throw DhtError.NAMESPACE_UNKNOWN({ key: shown(text), known })
  }
  return { text, bytes, key: dhtKey(bytes), publisher: ownerOf(text, rest) }
}

/** As `parseRecordName`, from a message; bytes that are not UTF-8 are no name. */
export function parseRecordNameBytes(bytes: Uint8Array): RecordName {
  if (bytes.length > NAME_BYTES_MAX) throw invalid('…', `it has ${bytes.length} bytes`)
  return parseRecordName(textOf(bytes))
}

type OwnerOf = (text: string, rest: readonly string[]) => RecordName['publisher']

const NAMESPACES: ReadonlyMap<string, OwnerOf> = new Map<string, OwnerOf>([
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
  [
    'eth',
    (text, [segment = '', ...rest]) => {
      // In capitals it would be another name for the same thing.
      if (rest.length > 0 || !isEthAddress(segment) || segment !== segment.toLowerCase()) {
        throw invalid(text, 'wanted /eth/<0x and 40 hex digits in lower case>')
      }
      const address = ethAddress(segment)
      const checkForm = (claim: Claim) => checkEthForm(address, claim)
      return { checkForm, checkProof: checkEthProof, keptSecondsMax: ETH_RECORD_SECONDS }
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
