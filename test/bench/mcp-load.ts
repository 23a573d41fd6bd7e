/** The load of the bench `mcp`, the same for every side: one call after the other, then crowds. */

export interface Load {
  readonly warmUp: number
  readonly sequential: number
  readonly crowd: number
  /** Results of 8 MiB, one after the other. */
  readonly large: number
}

/** The tools that are called: one says a text again, the other makes one up. */
export interface Tools {
  readonly echo: (text: string) => Promise<unknown>
  readonly large: () => Promise<unknown>
}

/** As one side measures it. */
export interface Calls {
  readonly p50: number
  readonly p99: number
  readonly perSecond1: number
  readonly perSecond16: number
  readonly perSecond100: number
  readonly large: number
}

const TEXT = 'x'.repeat(1_024)
const LARGE_CHARS = 8 * 1_024 ** 2

/** What the tool `large` answers. */
export function largeText(): string {
  return 'x'.repeat(LARGE_CHARS)
}

/** Calls the tool as the load says; every answer is checked. */
export async function measureCalls(
  { warmUp, sequential, crowd, large }: Load,
  tools: Tools,
): Promise<Calls> {
  const call = async () => {
    if (textOf(await tools.echo(TEXT)) !== TEXT) throw new TypeError('it was not said again')
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
    large: await measureLarge(large, tools),
  }
}

/** The median of milliseconds for one; the first is not counted. */
async function measureLarge(count: number, tools: Tools): Promise<number> {
  const times: number[] = []
  for (let i = 0; i <= count; i += 1) {
    const sent = performance.now()
    const text = textOf(await tools.large())
    times.push(performance.now() - sent)
    if (text !== largeText()) throw new TypeError('it is not the text that was made up')
  }
  times.shift()
  times.sort((a, b) => a - b)
  return times[Math.floor(times.length / 2)] ?? Number.NaN
}

function textOf(content: unknown): unknown {
  return (content as { readonly text?: unknown }[] | undefined)?.[0]?.text
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
