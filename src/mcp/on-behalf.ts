/**
 * For whom this node is working now. A tool that serves a peer and calls another node must not lend
 * the peer what only this node may do, so every call made meanwhile knows of it.
 */

import { AsyncLocalStorage } from 'node:async_hooks'
import type { PeerId } from '../identity/index.ts'

/** A peer whose request is being served, with what it showed. */
export interface OnBehalfOf {
  readonly peer: PeerId
  /** For whom that peer called in turn, the first who asked first. */
  readonly chain: readonly PeerId[]
  readonly tokens: readonly string[]
}

const current = new AsyncLocalStorage<OnBehalfOf>()

/** Runs work that serves `caller`; whatever it calls is called on behalf of that peer. */
export function onBehalfOf<T>(caller: OnBehalfOf, work: () => T): T {
  return current.run(caller, work)
}

/** Whom the running work serves; undefined where it is this node's own. */
export function servedNow(): OnBehalfOf | undefined {
  return current.getStore()
}
