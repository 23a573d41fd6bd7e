/**
 * Agreeing on a protocol without waiting for the answer, where there is one to offer: what follows
 * the proposal leaves with it, and a round trip is saved on each stream and on each encryption.
 *
 * On the wire it is multistream-select as ever: `/multistream/1.0.0` and the protocol, each as a
 * line with its length in front; the other side answers the same two lines, or `na` as the second.
 * Only the order in time is new: the answer is cut off what arrives, whenever it does, and any
 * other answer ends the stream.
 */

import {
  type AbortOptions,
  type MultiaddrConnection,
  type StreamMuxer,
  type StreamMuxerFactory,
  UnsupportedProtocolError,
} from '@libp2p/interface'
import type { AbstractMessageStream } from '@libp2p/utils'
import { concatBytes, equalBytes, utf8 } from '../base/index.ts'
import { encodeFrame } from '../wire/index.ts'
import { NetError } from './errors.ts'

const LINE_BYTES_MAX = 1_024
const MULTISTREAM = '/multistream/1.0.0'

type Arrived = Parameters<AbstractMessageStream['onData']>[0]

/** What a muxer is asked with: libp2p passes the options of `newStream` on, and one protocol. */
export interface EarlyStreamOptions extends AbortOptions {
  readonly protocol?: string
  /** The stream may be used before the other side has said that it speaks the protocol. */
  readonly early?: boolean
}

/** The muxers of `factory`, whose streams are opened early when asked so. */
export function withEarlyStreams<Factory extends StreamMuxerFactory>(factory: Factory): Factory {
  const create = factory.createStreamMuxer.bind(factory)
  const createStreamMuxer = (connection: MultiaddrConnection): StreamMuxer => {
    const muxer = create(connection)
    const createStream = muxer.createStream.bind(muxer)
    muxer.createStream = async (options?: EarlyStreamOptions) => {
      const stream = await createStream(options)
      if (options?.early === true && options.protocol !== undefined) {
        stream.protocol = options.protocol
        const proposal = proposalOf(options.protocol)
        expectAnswer(stream as unknown as AbstractMessageStream, proposal)
        stream.send(proposal)
      }
      return stream
    }
    return muxer
  }
  return Object.assign(factory, { createStreamMuxer })
}

/**
 * Lets the upgrader go on at once with the encryption that we like best. A peer without it takes
 * what follows for nonsense, so the connection ends; `refused` hears of it first.
 */
export function encryptEarly(
  connection: MultiaddrConnection,
  protocol: string,
  refused?: () => void,
): void {
  const proposal = proposalOf(protocol)
  expectAnswer(connection as unknown as AbstractMessageStream, proposal, refused)
  // libp2p writes the proposal itself, and finds the answer already there.
  connection.push(proposal)
}

function proposalOf(protocol: string): Uint8Array {
  const lines = [MULTISTREAM, protocol].map((line) => utf8(`${line}\n`))
  return concatBytes(...lines.map((line) => encodeFrame('varint', line, LINE_BYTES_MAX)))
}

/** Cuts `answer` off the head of what arrives on `stream`, and ends it over any other. */
function expectAnswer(
  stream: AbstractMessageStream,
  answer: Uint8Array,
  refused?: () => void,
): void {
  const deliver = stream.onData.bind(stream)
  const closeWrite = stream.onRemoteCloseWrite.bind(stream)
  let arrived: Uint8Array = new Uint8Array()
  let answered = false
  const refuse = (error: Error) => {
    answered = true
    stream.abort(error)
  }
  stream.onData = (data: Arrived) => {
    if (answered) {
      deliver(data)
      return
    }
    arrived = concatBytes(arrived, data.subarray())
    const size = Math.min(arrived.length, answer.length)
    if (!equalBytes(arrived.subarray(0, size), answer.subarray(0, size))) {
      refused?.()
      refuse(new UnsupportedProtocolError('the other side does not speak it'))
    } else if (arrived.length >= answer.length) {
      answered = true
      deliver(arrived.subarray(answer.length))
    }
  }
  stream.onRemoteCloseWrite = () => {
    if (answered) closeWrite()
    else refuse(NetError.CONNECTION_DROPPED({ reason: 'it ended before a protocol was agreed on' }))
  }
}
