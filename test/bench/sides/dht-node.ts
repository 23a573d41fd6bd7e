/** What the bench `dht` asks of a node, whoever made it. */

export interface DhtNode {
  /** Where it lies among keys, in hex; known once it has joined. */
  readonly place: string
  /** What another node is told so that it can join over this one. */
  readonly entry: string
  /** Questions that it has asked of others so far, of every kind. */
  readonly asked: number
  /** Comes into the network over an entry, as its own documentation says; the first has none. */
  join(entry: string | undefined): Promise<void>
  /** Looks for itself in the network: the places of those it finds closest, itself left out. */
  closestToSelf(): Promise<readonly string[]>
  /** Stores a small value that only this node can change; resolves with what finds it. */
  put(index: number): Promise<string>
  /** Whether the value that `put` stored was found. */
  get(key: string): Promise<boolean>
  provide(name: string): Promise<void>
  /** How many providers were found. */
  find(name: string): Promise<number>
}

/** Peers in an answer and in a bucket, the same for all. */
export const K = 20
/** Questions that a lookup has on their way at once, where it can be set. */
export const ALPHA = 5
/** What is stored: as long as a small service record. */
export const VALUE_BYTES = 100

export function sampleValue(index: number): Buffer {
  return Buffer.alloc(VALUE_BYTES, `value ${index} `)
}
