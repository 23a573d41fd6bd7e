/**
 * Yamux streams that stay paused when their reader pauses them again while they are resumed.
 *
 * `resume()` of the library first delivers what waits, over which a slow reader pauses the stream
 * anew, and then opens the window all the same (@libp2p/utils 7.4.1): the sender goes on, and the
 * stream is reset once more has come than may wait.
 */

import type { MultiaddrConnection, Stream, StreamMuxerFactory } from '@libp2p/interface'

/** What is used of the library's muxer and stream beyond their public faces. */
interface YamuxMuxer {
  _newStream(...init: readonly unknown[]): YamuxStream
}

interface YamuxStream extends Pick<Stream, 'readStatus'> {
  sendResume(): void
}

/** The muxers of `factory`, yamux's, with such streams. */
export function withTrueResume<Factory extends StreamMuxerFactory>(factory: Factory): Factory {
  const create = factory.createStreamMuxer.bind(factory)
  const createStreamMuxer = (connection: MultiaddrConnection) => {
    const muxer = create(connection)
    const inside = muxer as unknown as YamuxMuxer
    const make = inside._newStream.bind(muxer)
    inside._newStream = (...init) => {
      const stream = make(...init)
      const resume = stream.sendResume.bind(stream)
      stream.sendResume = () => {
        if (stream.readStatus !== 'paused') resume()
      }
      return stream
    }
    return muxer
  }
  return Object.assign(factory, { createStreamMuxer })
}
