/** A pipe over one of Node's own streams. */

import type { Duplex } from 'node:stream'
import type { Pipe } from './stack.ts'

export function duplexPipe(stream: Duplex): Pipe {
  let room = Promise.withResolvers<void>()
  // An error is followed by `close`, and shows as an answer that never comes.
  stream.on('error', () => {})
  for (const event of ['drain', 'close']) stream.on(event, () => room.resolve())
  return {
    async write(bytes) {
      if (stream.write(bytes)) return
      room = Promise.withResolvers()
      await room.promise
    },
    listen: (listener) => stream.on('data', listener),
    close: () => stream.end(),
  }
}
