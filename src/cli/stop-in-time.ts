/** The end of a node in this process, the hard way if need be. */

import type { Clock } from '../base/index.ts'
import { aborted } from './abort.ts'
import { CliError } from './errors.ts'
import type { Daemon } from './rooms.ts'

/** A node is down within 3 s of the signal. */
const STOP_MS = 2_500

/** Rejects with `CLI_STOP_TIMEOUT` when parts of it are still busy after that. */
export async function stopInTime(daemon: Pick<Daemon, 'stop'>, clock: Clock): Promise<void> {
  using deadline = clock.deadline(STOP_MS)
  const late = aborted(deadline.signal).then(() => {
    throw CliError.STOP_TIMEOUT({ afterMs: STOP_MS })
  })
  await Promise.race([daemon.stop(), late])
}
