/**
 * What the programs of the network benches have in common: a stack listens and dials, a pipe
 * carries bytes, and the far end serves three wishes.
 *
 *   offset  size  field of the first bytes on a pipe, from the dialling side
 *        0     1  wish: 0 echo what follows, 1 swallow N bytes and answer with one, 2 send N bytes
 *        1     8  N, unsigned, big endian
 */

/** One stream of bytes, both ways. */
export interface Pipe {
  /** Hands bytes on; resolves when there is room for more. */
  write(bytes: Uint8Array): Promise<void>
  /** From now on `listener` gets what comes; called once. */
  listen(listener: (bytes: Uint8Array) => void): void
  /** Ends the stream, after what was written. */
  close(): void
}

export interface Connection {
  open(): Promise<Pipe>
  /** Cuts the connection; resolves when it is gone at this end. */
  close(): Promise<void>
}

export type Transport = 'quic' | 'tcp'

export interface ListenOptions {
  readonly host: string
  readonly transports: readonly Transport[]
  /** Connections that come at once from one address: limits below it are raised. */
  readonly crowd?: number
}

/** One implementation, at either end. */
export interface Stack {
  /** Where it can be dialled, for each transport that it has. */
  listen(options: ListenOptions, serve: (pipe: Pipe) => void): Promise<Record<string, string>>
  /** Starts the dialling end, so that no dial has to wait for it. */
  ready(address: string): Promise<unknown>
  /** A new connection, from an identity that is the same each time. */
  dial(address: string): Promise<Connection>
}

const WISH_BYTES = 9
const WISHES = ['echo', 'swallow', 'send'] as const
/** What an application hands over at a time; the same for all. */
export const CHUNK_BYTES = 256 * 1_024

export type Wish = (typeof WISHES)[number]

export function wishBytes(wish: Wish, count: number): Uint8Array {
  const bytes = Buffer.alloc(WISH_BYTES)
  bytes[0] = WISHES.indexOf(wish)
  bytes.writeBigUInt64BE(BigInt(count), 1)
  return bytes
}

/** What an end has taken in. */
export interface Tally {
  bytes: number
}

/** Serves one pipe; what goes wrong there shows at the dialling side. */
export function servePipe(pipe: Pipe, tally: Tally): void {
  let head = Buffer.alloc(0)
  let take: ((bytes: Uint8Array) => void) | undefined
  pipe.listen((bytes) => {
    if (take !== undefined) {
      take(bytes)
      return
    }
    head = Buffer.concat([head, bytes])
    if (head.length < WISH_BYTES) return
    const count = Number(head.readBigUInt64BE(1))
    const wish = WISHES[head[0] ?? 0]
    if (wish === 'send') void sendAll(pipe, count).catch(() => {})
    take = wish === 'swallow' ? swallow(pipe, count, tally) : echoTo(pipe)
    if (head.length > WISH_BYTES) take(head.subarray(WISH_BYTES))
  })
}

/** Writes `count` bytes in chunks. */
export async function sendAll(pipe: Pipe, count: number): Promise<void> {
  const chunk = Buffer.alloc(CHUNK_BYTES, 7)
  for (let left = count; left > 0; left -= chunk.length) {
    await pipe.write(left < chunk.length ? chunk.subarray(0, left) : chunk)
  }
}

function echoTo(pipe: Pipe): (bytes: Uint8Array) => void {
  return (bytes) => {
    pipe.write(bytes).catch(() => {})
  }
}

function swallow(pipe: Pipe, count: number, tally: Tally): (bytes: Uint8Array) => void {
  let left = count
  return (bytes) => {
    tally.bytes += bytes.length
    left -= bytes.length
    if (left === 0) pipe.write(Uint8Array.of(1)).catch(() => {})
  }
}
