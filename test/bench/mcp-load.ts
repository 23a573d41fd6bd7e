/** The load of the bench `mcp`, the same for every side: one call after the other, then crowds. */

export interface Load {
  readonly warmUp: number
  readonly sequential: number
  readonly crowd: number
}

/** As one side measures it. */
export interface Calls {
  readonly p50: number
  readonly p99: number
  readonly perSecond1: number
  readonly perSecond16: number
  readonly perSecond100: number
}

const TEXT = 'x'.repeat(1_024)

/** Calls the tool as the load says; every answer is checked. */
export async function measureCalls(
  { warmUp, sequential, crowd }: Load,
  callEcho: (text: string) => Promise<unknown>,
): Promise<Calls> {
  const call = async () => {
    const content = (await callEcho(TEXT)) as { readonly text?: unknown }[] | undefined
    if (content?.[0]?.text !== TEXT) throw new TypeError('the tool did not say it again')
  }
  await inFlight(1, warmUp / 2, call)
  await inFlight(16, warmUp / 2, call)
  const times: number[] = []
  const began = performance.now()
  for (let i = 0; i < sequential; i += 1) {
    const sent = performance.now()
    await call()
    times.push(performance.now() - sent)
  }
  const seconds = (performance.now() - began) / 1_000
  times.sort((a, b) => a - b)
  return {
    p50: times[Math.floor(times.length * 0.5)] ?? Number.NaN,
    p99: times[Math.floor(times.length * 0.99)] ?? Number.NaN,
    perSecond1: sequential / seconds,
    perSecond16: crowd / (await inFlight(16, crowd, call)),
    perSecond100: crowd / (await inFlight(100, crowd, call)),
  }
}

/** Seconds for `total` calls, `lanes` of them in work at any time. */
async function inFlight(lanes: number, total: number, call: () => Promise<void>): Promise<number> {
  let left = total
  const began = performance.now()
  const lane = async () => {
    while (left > 0) {
      left -= 1
      await call()
    }
  }
  await Promise.all(Array.from({ length: lanes }, lane))
  return (performance.now() - began) / 1_000
}
