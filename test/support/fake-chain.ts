/** A chain made of literals behind a `fetch`: JSON-RPC in, JSON-RPC out, and what was asked. */

import { Registry, seededRandom, silentLog } from '../../src/base/index.ts'
import { Chain, evmMetrics, type Fetch } from '../../src/evm/index.ts'
import { FakeClock } from './fake-clock.ts'

/** A result, an error of JSON-RPC, a whole response, no connection, or no answer ever. */
export type Reply =
  | { readonly result: unknown }
  | { readonly error: { readonly code: number; readonly message: string; readonly data?: unknown } }
  | { readonly response: Response }
  | { readonly refuses: string }
  | 'hangs'

export interface Asked {
  readonly url: string
  readonly method: string
  readonly params: readonly unknown[]
}

/** Answers by method; a function is asked with the params and how often it was before. */
export type Replies = Readonly<
  Record<string, Reply | ((params: readonly unknown[], times: number) => Reply)>
>

export function fakeChain(
  replies: Replies,
  options: { readonly url?: string; readonly attemptsMax?: number } = {},
) {
  const { url = 'https://chain.example/v1/not-a-real-key-7f3a', attemptsMax = 3 } = options
  const clock = new FakeClock(1_000_000)
  const asked: Asked[] = []
  const fetch: Fetch = async (input, init) => {
    const { id, method, params } = JSON.parse(init?.body as string) as Asked & { id: number }
    const times = asked.filter((each) => each.method === method).length
    asked.push({ url: input, method, params })
    const found = replies[method]
    const reply = typeof found === 'function' ? found(params, times) : found
    return answer(id, reply ?? { error: { code: -32_601, message: 'Method not found' } }, init)
  }
  const registry = new Registry()
  const deps = { clock, random: seededRandom('chain'), log: silentLog, fetch }
  const config = { url, requestTimeoutMs: 10_000, attemptsMax }
  const chain = new Chain({ ...deps, metrics: evmMetrics(registry) }, config)
  return { chain, clock, asked, registry }
}

async function answer(id: number, reply: Reply, init: RequestInit | undefined): Promise<Response> {
  if (reply === 'hangs') {
    return new Promise((_, reject) => {
      const { signal } = init ?? {}
      signal?.addEventListener('abort', () => reject(signal.reason as Error))
    })
  }
  if ('refuses' in reply) {
    const cause = Object.assign(new Error('connect'), { code: reply.refuses })
    throw new TypeError('fetch failed', { cause })
  }
  if ('response' in reply) return reply.response
  return Response.json({ jsonrpc: '2.0', id, ...reply })
}
