/** Events as server-sent events (WHATWG HTML §9.2). */

import type { ServerResponse } from 'node:http'
import type { EventSink } from './event-reader.ts'
import type { StreamEvent } from './shapes/api.ts'

/** One event with its place in the stream. */
export interface ToldEvent {
  readonly id: number
  readonly event: StreamEvent
  /** The event as JSON, made once for all readers. */
  readonly json: string
}

/** Writes the head of the answer at once. */
export function sseSink(response: ServerResponse): EventSink<ToldEvent> {
  response.writeHead(200, {
    'content-type': 'text/event-stream; charset=utf-8',
    'cache-control': 'no-store',
  })
  return {
    get isFull() {
      return response.writableNeedDrain
    },
    onDrain: (flush) => void response.on('drain', flush),
    onClose: (closed) => void response.once('close', closed),
    write({ id, event, json }) {
      response.write(`id: ${id}\nevent: ${event.event}\ndata: ${json}\n\n`)
    },
    // It has no id: it is of this reader alone.
    lagged(missed) {
      response.write(`event: lagged\ndata: ${JSON.stringify({ event: 'lagged', missed })}\n\n`)
    },
    beat: () => void response.write(': heartbeat\n\n'),
    bytesOf: ({ json }) => json.length,
    end: () => void response.end(),
    cut: () => void response.destroy(),
  }
}
