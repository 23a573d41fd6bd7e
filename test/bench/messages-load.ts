/** The load of the bench `messages`, the same for messages and for what they are made of. */

/** How much of it; a body is of `bytes`. */
export interface Load {
  readonly warmUp: number
  readonly sequential: number
  readonly crowd: number
  readonly bytes: number
}

/** As one side measures it; ms, and messages in a second. */
export interface Pace {
  readonly p50: number
  readonly p99: number
  readonly perSecond: number
}

/** In flight at any time while the rate is counted. */
const LANES = 16

/** `send` resolves when the receipt is there. */
export async function measurePace(load: Load, send: () => Promise<void>): Promise<Pace> {
  const { warmUp, sequential, crowd } = load
  await inFlight(LANES, warmUp, send)
  const times: number[] = []
  for (let i = 0; i < sequential; i += 1) times.push(await timed(send))
  const seconds = await inFlight(LANES, crowd, send)
  return { p50: quantile(times, 0.5), p99: quantile(times, 0.99), perSecond: crowd / seconds }
}

/** Milliseconds that `work` takes. */
export async function timed(work: () => Promise<unknown>): Promise<number> {
  const began = performance.now()
  await work()
  return performance.now() - began
}

export function quantile(times: readonly number[], share: number): number {
  const sorted = [...times].sort((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN
}

/** Seconds for `total`, `lanes` of them in work at any time. */
async function inFlight(lanes: number, total: number, send: () => Promise<void>): Promise<number> {
  let left = total
  const began = performance.now()
  const lane = async () => {
    while (left > 0) {
      left -= 1
      await send()
    }
  }
  await Promise.all(Array.from({ length: lanes }, lane))
  return (performance.now() - began) / 1_000
}
