/** What the modelled nodes send each other: GossipSub's frame for one topic, never encoded. */

import type { FrameBytes } from '../../../../src/pubsub/stock.ts'

/** One message as it travels. */
export interface Sent {
  readonly id: number
  /** Its author's place in the world. */
  readonly author: number
  readonly sequence: bigint
  readonly data: Uint8Array
}

export interface MeshRpc {
  readonly messages?: readonly Sent[]
  /** Numbers of messages that the sender has, and that it wants. */
  readonly ihave?: readonly number[]
  readonly iwant?: readonly number[]
  readonly graft?: true
  readonly prune?: true
}

/** Of a message: author, number, signature, key and topic. */
const MESSAGE_BYTES = 180
const NAME_BYTES = 48
const CONTROL_BYTES = 40

/** A frame that is never bytes, but as long as its bytes would be. */
export class MeshFrame implements FrameBytes {
  readonly rpc: MeshRpc
  readonly byteLength: number

  constructor(rpc: MeshRpc) {
    const { messages = [], ihave = [], iwant = [] } = rpc
    this.rpc = rpc
    const data = messages.reduce((sum, { data: { length } }) => sum + length + MESSAGE_BYTES, 0)
    this.byteLength = CONTROL_BYTES + data + NAME_BYTES * (ihave.length + iwant.length)
  }

  subarray(): Uint8Array {
    throw new TypeError('a modelled frame has no bytes')
  }
}
