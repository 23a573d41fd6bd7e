/** What a write and a read of a value report, and what a write may be told. */

import type { PeerId } from '../identity/index.ts'
import type { CallOptions } from '../net/index.ts'
import type { Failure } from './search.ts'

/** How a write went: honest about who took it. */
export interface PutReport {
  readonly key: string
  readonly version: number
  /** Who of the close group holds it now; this node too, when it belongs there. */
  readonly stored: readonly PeerId[]
  readonly failed: readonly Failure[]
  /** How many were to store it. */
  readonly wanted: number
  /** There where made-up peers crowd around the key, so that all of its region was asked. */
  readonly crowded?: true
}

/** How a read went: "nobody has it" needs `complete`, and `failed` to be empty. */
export interface GetReport {
  readonly key: string
  readonly value: Uint8Array | null
  readonly publisher: PeerId | null
  readonly version: number | null
  readonly answered: readonly PeerId[]
  readonly failed: readonly Failure[]
  /** Whether the search went on until it had enough or nobody was left to ask. */
  readonly complete: boolean
  /** There where made-up peers crowd around the key, so that all of its region was asked. */
  readonly crowded?: true
}

export interface PutOptions extends CallOptions {
  /** How long the value lives. Left out, it is renewed for as long as the node runs. */
  readonly ttlSeconds?: number
  /** Of a value that says itself which it is, as the one of an address; else one is given. */
  readonly version?: number
}
