/** Length-prefixed messages of libp2p's small protocols, on a stream that may be used on after. */

import type { Connection, Stream } from '@libp2p/interface'
import { lpStream } from '@libp2p/utils'
import { NetError, reasonOf } from './errors.ts'

export interface Frames {
  read(signal: AbortSignal): Promise<Uint8Array>
  write(bytes: Uint8Array, signal: AbortSignal): Promise<void>
  /** The stream, with what came behind the last message still in it. */
  unwrap(): Stream
}

const BUFFER_BYTES_MAX = 256 * 1_024

/** A stream read message by message; none may be longer than `bytesMax`. */
export function framesOf(stream: Stream, bytesMax: number): Frames {
  const frames = lpStream(stream, { maxDataLength: bytesMax, maxBufferSize: BUFFER_BYTES_MAX })
  return {
    read: async (signal) => (await frames.read({ signal })).subarray(),
    write: (bytes, signal) => frames.write(bytes, { signal }),
    unwrap: () => frames.unwrap(),
  }
}

/** Asks once on a new stream of `connection` and closes it; `limited` over a relay, too. */
export async function askOnce(
  connection: Connection,
  { protocol, bytesMax, limited = false }: Asking,
  { request, signal }: { readonly request: Uint8Array; readonly signal: AbortSignal },
): Promise<Uint8Array> {
  const stream = await connection.newStream(protocol, { signal, runOnLimitedConnection: limited })
  try {
    const frames = framesOf(stream, bytesMax)
    await frames.write(request, signal)
    const answer = await frames.read(signal)
    await stream.close({ signal })
    return answer
  } catch (error) {
    stream.abort(NetError.CONNECTION_DROPPED({ reason: reasonOf(error) }, error))
    throw error
  }
}

export interface Asking {
  readonly protocol: string
  readonly bytesMax: number
  readonly limited?: boolean
}
