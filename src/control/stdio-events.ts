/** What happens to a node, as lines of the second version: what is left out is told. */

import type { EventSink } from './event-reader.ts'
import type { ToldEvent } from './sse-sink.ts'
import { answering, type Id, type StdioOutlet } from './stdio-outlet.ts'

/** Ends when `gone` does; the lines themselves go on. */
export function eventSink(outlet: StdioOutlet, id: Id, gone: Promise<void>): EventSink<ToldEvent> {
  const ended = Promise.withResolvers<void>()
  const tell = (event: unknown) => {
    outlet.tell({ v: 2, type: 'event', ...answering(id), event })
  }
  return {
    // The outlet itself leaves out what nobody reads, and tells how much.
    isFull: false,
    onDrain: () => undefined,
    onClose: (closed) => void Promise.race([gone, ended.promise]).then(closed),
    write: ({ event }) => tell(event),
    lagged: (missed) => tell({ event: 'lagged', missed }),
    beat: () => undefined,
    bytesOf: ({ json }) => json.length,
    end: () => ended.resolve(),
    cut: () => ended.resolve(),
  }
}
