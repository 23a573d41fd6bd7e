/**
 * Asks a node's control API from inside its namespace, where alone it is reached.
 *
 *   node api-peer.ts DATA-DIR
 *   {"method": "connect", "args": ["12D3KooW…"], "timeoutMs": 10000}
 *   {"done": {"value": …, "ms": 12.3}}  or  {"done": {"error": {"code": "…", …}, "ms": 12.3}}
 *
 * `reach` is `connect`, to a peer id or multiaddr, and then `ping`: from the dial to the first
 * application byte. Ends with its standard input.
 */

import { createInterface } from 'node:readline'
import { type ControlClient, openClient } from '../../src/control/index.ts'

interface Asked {
  readonly method: string
  readonly args: readonly unknown[]
  readonly timeoutMs: number
}

const [dataDir = ''] = process.argv.slice(2)
await using client = await openClient(dataDir)

for await (const line of createInterface({ input: process.stdin })) {
  const done = await obey(JSON.parse(line) as Asked)
  process.stdout.write(`${JSON.stringify({ done })}\n`)
}
process.exit(0)

async function obey({ method, args, timeoutMs }: Asked): Promise<object> {
  const began = performance.now()
  const signal = AbortSignal.timeout(timeoutMs)
  try {
    const value = await call(client, { method, args }, signal)
    return { value, ms: performance.now() - began }
  } catch (error) {
    return { error: shown(error), ms: performance.now() - began }
  }
}

async function call(
  node: ControlClient,
  { method, args }: Omit<Asked, 'timeoutMs'>,
  signal: AbortSignal,
): Promise<unknown> {
  if (method === 'reach') {
    const peer = await node.connect(String(args[0]), { signal })
    return node.ping(peer, { signal })
  }
  const found: unknown = Reflect.get(node, method)
  if (typeof found !== 'function') throw new TypeError(`the client has no method "${method}"`)
  return Reflect.apply(found as (...words: unknown[]) => unknown, node, [...args, { signal }])
}

function shown(error: unknown): object {
  if (!(error instanceof Error)) return { message: String(error) }
  const { code, facts } = error as { code?: unknown; facts?: unknown }
  return { code, message: error.message, facts }
}
