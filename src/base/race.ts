/** Waiting for work only as long as a signal allows: the work goes on, the waiting ends. */

/**
 * Settles as `work` does, or rejects with the signal's reason if that comes first. Work that fails
 * when nobody waits for it any more is no unhandled rejection.
 */
export async function race<T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return work
  const given = Promise.withResolvers<never>()
  const giveUp = () => given.reject(signal.reason)
  if (signal.aborted) giveUp()
  else signal.addEventListener('abort', giveUp, { once: true })
  try {
    return await Promise.race([given.promise, work])
  } finally {
    signal.removeEventListener('abort', giveUp)
  }
}
