/** Once there is a better path, a relayed connection ends as soon as nothing runs on it. */

import type { Connection, Libp2p } from '@libp2p/interface'
import { peerIdFromString } from '@libp2p/peer-id'
import type { Clock } from '../base/index.ts'
import type { PeerId } from '../identity/index.ts'
import { isRelayed } from './paths.ts'

/** The other side learns of the better path a little later than we do. */
const GRACE_MS = 1_000
const CHECK_MS = 250

/** Resolves when no relayed connection to `peer` is left, no direct one either, or on `signal`. */
export async function leaveRelay(
  libp2p: Pick<Libp2p, 'getConnections'>,
  peer: PeerId,
  { clock, signal }: { readonly clock: Clock; readonly signal: AbortSignal },
): Promise<void> {
  const id = peerIdFromString(peer)
  await clock.sleep(GRACE_MS, signal)
  for (;;) {
    const open = libp2p.getConnections(id).filter(({ status }) => status === 'open')
    const relayed = open.filter(isRelayed)
    if (relayed.length === 0 || relayed.length === open.length) return
    await Promise.all(relayed.filter(isIdle).map((one) => one.close().catch(() => undefined)))
    await clock.sleep(CHECK_MS, signal)
  }
}

function isIdle({ streams }: Connection): boolean {
  return streams.length === 0
}
