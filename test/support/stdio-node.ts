/** A node that `p2p-node` could have started, whose agent and topics a test plays. */

import type { PresenceEvents } from '../../src/agent/index.ts'
import { Emitter } from '../../src/base/index.ts'
import type { RunningNode, StdioAgent, StdioNode } from '../../src/control/stdio-node.ts'
import type { StdioOutlet, Told } from '../../src/control/stdio-outlet.ts'
import { type PeerId, peerId } from '../../src/identity/index.ts'
import type { Message } from '../../src/pubsub/index.ts'
import { fakeInbox } from './served-inbox.ts'
import { fakeNode, PEER, STATUS } from './served-node.ts'

export const OTHER: PeerId = peerId('12D3KooWD3eckifWpRn9wQpMG9R9hX3sD158z7EqHWmweQAJU5SA')
export const ADDRESS = '0x44a492dABAca1F10b1f9bb0Bd970390F052CcECb'
export const API = 'http://127.0.0.1:9002'

interface AgentEvents {
  readonly delivery: Parameters<Parameters<StdioAgent['on']>[1]>[0]
}

/** `agent: false` is a node that speaks for nobody. */
export function stdioNode({ agent = true } = {}) {
  const { node, asked, services } = fakeNode()
  const told = new Emitter<AgentEvents>(fail)
  const agents = new Emitter<PresenceEvents>(fail)
  const net = new Emitter<{
    connected: { peer: PeerId }
    disconnected: { peer: PeerId }
    addresses: { addresses: readonly string[] }
  }>(fail)
  const note = <T>(name: string, args: readonly unknown[], answer: T): T => {
    asked.push({ name, args })
    return answer
  }
  const { inbox, put } = fakeInbox()
  const queued = (to: string) => ({ id: 'aa', to, state: 'sent', at: 5 })
  const spoken = {
    send: async (...args: unknown[]) => note('agent.send', args, queued(String(args[0]))),
    broadcast: async (...args: unknown[]) => note('agent.broadcast', args, queued('*')),
    on: (event: keyof AgentEvents, listener: (payload: unknown) => void) =>
      told.on(event, listener),
    agents: () => [],
    inbox: { ...inbox, read: async (id: string) => note('inbox.read', [id], inbox.read(id)) },
  } as unknown as StdioAgent
  const topics = new Map<string, PromiseWithResolvers<Message<unknown>>>()
  async function* read(topic: string, signal: AbortSignal | undefined) {
    for (;;) {
      const next = Promise.withResolvers<Message<unknown>>()
      topics.set(topic, next)
      signal?.addEventListener('abort', () => next.reject(signal.reason), { once: true })
      yield await next.promise
    }
  }
  const full = {
    ...node,
    peerId: PEER,
    ethAddress: agent ? ADDRESS : null,
    addresses: STATUS.listen,
    agent: agent ? spoken : null,
    events: { net, mcp: null, agents: agent ? agents : null },
    keep: (...args: unknown[]) => note('keep', args, () => note('unkeep', args, undefined)),
    publish: async (...args: unknown[]) => note('publish', args, { peers: 1 }),
    subscribe: (topic: string, { signal }: { signal?: AbortSignal }) => read(topic, signal),
    dht: { ...node.dht, findReaders: async (...args: unknown[]) => note('find', args, [OTHER]) },
  } as unknown as StdioNode
  const running: RunningNode = {
    node: full,
    api: API,
    grpc: null,
    dataDir: '/data',
    registry: {
      prometheusText: async () => ({ contentType: 'text/plain', body: '# metrics' }),
      total: async () => 0,
    },
    waitMs: 1_000,
    notices: ['a port moved'],
    stop: async () => note('stop', [], undefined),
  }
  return { running, asked, services, told, put, agents, net, topics }
}

/** An outlet that keeps what it is told. */
export function collected(): { outlet: StdioOutlet; events: Told[] } {
  const events: Told[] = []
  const take = (event: Told) => events.push(JSON.parse(JSON.stringify(event)) as Told) > 0
  const outlet = {
    isFull: false,
    tell: take,
    answer: async (event: Told) => void take(event),
    hand: async (event: Told) => void take(event),
    room: async () => undefined,
  }
  return { outlet: outlet as unknown as StdioOutlet, events }
}

function fail(error: unknown): never {
  throw error
}
