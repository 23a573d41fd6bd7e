/** The bench `mcp`: what a tool call through two nodes costs, against the SDK's own HTTP. */

import type { Bench, Measured, Run } from './harness.ts'
import type { Calls, Load } from './mcp-load.ts'

const NODE_SIDE = new URL('./mcp-node-side.ts', import.meta.url)
const HTTP_SIDE = new URL('./mcp-http-side.ts', import.meta.url)
const FULL: Load = { warmUp: 2_000, sequential: 2_000, crowd: 4_000, large: 9 }
const SHORT: Load = { warmUp: 50, sequential: 100, crowd: 200, large: 1 }

export const bench: Bench = {
  name: 'mcp',
  what:
    'A tool that gives back 1 KiB of text, called through two nodes over QUIC (and over TCP), ' +
    "against the same tool behind the MCP SDK's Streamable HTTP server and client with keep-alive.",
  packages: [
    '@modelcontextprotocol/client',
    '@modelcontextprotocol/server',
    'libp2p',
    '@chainsafe/libp2p-quic',
  ],
  metrics: { ...metricsOf(''), ...metricsOf('tcp') },
  ours: async (run) => ({
    ...prefixed('', await measureNodes(run, 'quic')),
    ...prefixed('tcp', await measureNodes(run, 'tcp')),
  }),
  peers: {
    streamableHttp: async (run) => prefixed('', await measureHttp(run, { stateful: true })),
    streamableHttpStateless: async (run) =>
      prefixed('', await measureHttp(run, { stateful: false })),
  },
  ratios: {
    callsPerSecond: ['perSecond16', 'streamableHttp.perSecond16'],
    p50: ['p50', 'streamableHttp.p50'],
    p99: ['p99', 'streamableHttp.p99'],
    callsPerSecond1: ['perSecond1', 'streamableHttp.perSecond1'],
    callsPerSecond100: ['perSecond100', 'streamableHttp.perSecond100'],
    tcpCallsPerSecond: ['tcpPerSecond16', 'streamableHttp.perSecond16'],
    tcpP50: ['tcpP50', 'streamableHttp.p50'],
    large: ['large', 'streamableHttp.large'],
    tcpLarge: ['tcpLarge', 'streamableHttp.large'],
  },
  goals: {
    'ratio.callsPerSecond': { atLeast: 1 },
    'ratio.p50': { atLeast: 1 },
    'ours.p50': { atMost: 2 },
    'ratio.tcpLarge': { atLeast: 1 },
  },
  notes: [
    'One call after the other for p50, p99 and perSecond1; then 16 and 100 calls in flight. `large` ' +
      'is the median for one result of 8 MiB of text.',
    'Ours: two whole nodes as `createNode` makes them, with every check, quota, limit and metric ' +
      'on, each in a process of its own; the tool is offered with `node.expose`, and called by ' +
      'name with `node.tools.call`. The caller is granted (`granted` in `[security]`), because a ' +
      'stranger may make 100 calls a second.',
    "streamableHttp is the SDK's server with a session and answers as JSON, the faster way; " +
      'streamableHttpStateless serves the newer era as the SDK does, with a server for each ' +
      'request. Clear text, no checks; the tool and its schema are the same.',
  ],
}

async function measureNodes(run: Run, path: 'quic' | 'tcp'): Promise<Calls> {
  const caller = await run.start(NODE_SIDE)
  const { peer, addresses } = await caller.call<{ peer: string; addresses: string[] }>('start')
  const bootstrap = addresses.find((at) => at.includes(path === 'quic' ? '/udp/' : '/tcp/'))
  const server = await run.start(NODE_SIDE)
  await server.call('start', { bootstrap, granted: peer })
  await server.call('expose')
  await caller.call('connect', { path })
  return caller.call<Calls>('measure', run.short ? SHORT : FULL)
}

async function measureHttp(run: Run, kind: { readonly stateful: boolean }): Promise<Calls> {
  const server = await run.start(HTTP_SIDE)
  const url = await server.call<string>('listen', kind)
  const client = await run.start(HTTP_SIDE)
  await client.call('connect', { url, ...kind })
  return client.call<Calls>('measure', run.short ? SHORT : FULL)
}

function prefixed(prefix: string, calls: Calls): Measured {
  return Object.fromEntries(
    Object.entries(calls).map(([name, value]) => [joined(prefix, name), value as number]),
  )
}

function metricsOf(prefix: string): Bench['metrics'] {
  const ms = { unit: 'ms', better: 'lower' } as const
  const rate = { unit: 'calls/s', better: 'higher' } as const
  return {
    [joined(prefix, 'p50')]: ms,
    [joined(prefix, 'p99')]: ms,
    [joined(prefix, 'perSecond1')]: rate,
    [joined(prefix, 'perSecond16')]: rate,
    [joined(prefix, 'perSecond100')]: rate,
    [joined(prefix, 'large')]: ms,
  }
}

function joined(prefix: string, name: string): string {
  return prefix === '' ? name : `${prefix}${name.charAt(0).toUpperCase()}${name.slice(1)}`
}
