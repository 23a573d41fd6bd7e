/**
 * One service on standard input and output: what the assistant writes is posted to the gateway of
 * the node, which presents that service whole, and what comes back is written as it came.
 */

import type { Readable, Writable } from 'node:stream'
import type { JSONRPCMessage } from '@modelcontextprotocol/server'
import { openHttpPipe } from './http-source.ts'
import { encodeMessage, FRAME_BYTES_MAX, parseFrame } from './protocol.ts'
import { serverSdk } from './sdk.ts'

export interface StdioPipeOptions {
  /** Of the service at the gateway: `http://127.0.0.1:8545/mcp/<service>`. */
  readonly url: string
  readonly token: string
  readonly input?: Readable
  readonly output?: Writable
}

/** Resolves when the input has ended or the service is gone, or `signal` has aborted. */
export async function pipeStdio(options: StdioPipeOptions, signal: AbortSignal): Promise<void> {
  const { url, token, input, output } = options
  const sdk = await serverSdk()
  const limits = { maxBufferSize: FRAME_BYTES_MAX }
  const stdio = new sdk.StdioServerTransport(input, output, limits)
  const pipe = await openHttpPipe(url, { authorization: `Bearer ${token}` })
  const end = () => void pipe.close()
  let lastWrite: Promise<void> = Promise.resolve()
  stdio.onmessage = (message) => {
    lastWrite = lastWrite.then(() => pipe.write(encodeMessage(message))).catch(end)
  }
  stdio.onclose = () => void lastWrite.then(end)
  signal.addEventListener('abort', end, { once: true })
  try {
    await stdio.start()
    for (;;) {
      const frame = await pipe.read()
      if (frame === undefined) break
      await stdio.send(parseFrame(frame) as unknown as JSONRPCMessage)
    }
  } finally {
    signal.removeEventListener('abort', end)
    await pipe.close()
    await stdio.close()
  }
}
