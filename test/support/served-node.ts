/** A node that answers the control API at once, and notes what it was asked. */

import assert from 'node:assert/strict'
import type { HeldGrant, IssuedGrant } from '../../src/access/index.ts'
import type { AgentInfo, FoundAgent } from '../../src/agent/index.ts'
import { Emitter } from '../../src/base/index.ts'
import { operations } from '../../src/control/api.ts'
import type { ServedNode, ServedStatus } from '../../src/control/index.ts'
import { ethAddress, type PeerId, peerId } from '../../src/identity/index.ts'
import type { ServiceStatus } from '../../src/mcp/index.ts'
import type { ResourceReport } from '../../src/net/index.ts'
import type { HealthReport, IdentityReport, NodeStatus } from '../../src/node/index.ts'
import { fakeAgent } from './served-agent.ts'

const scope = (kind: 'system' | 'transient') => {
  const used = { connectionsIn: 1, connectionsOut: 0, streamsIn: 2, streamsOut: 0, memoryBytes: 9 }
  return { scope: kind, name: '', used, limits: { memoryBytes: 100 } }
}

/** What is in use of the fake's connections. */
export const RESOURCES: ResourceReport = {
  system: scope('system'),
  transient: scope('transient'),
  peers: [],
  protocols: [],
  peersLeftOut: 0,
}

export const PEER: PeerId = peerId('12D3KooWDpJ7As7BWAwRMfu1VU2WCqNjvq387JEYKDBj4kx6nXTN')

export const HEALTHY: HealthReport = { status: 'ok', reasons: [], alive: true, ready: true }

/** What a node says that nobody has told how it is reached. */
export const UNREACHED: NodeStatus['reachability'] = {
  verdict: 'unknown',
  reason: 'nobody has tried',
  addresses: [],
  observed: [],
  nat: { quic: 'unknown', tcp: 'unknown' },
  relays: [],
  relaying: { serving: false, reservations: 0, circuits: 0, bytesThisHour: 0 },
  punching: { hub: { state: 'off', inUse: false }, tcp: { state: 'off' } },
  attempts: [],
}

export const STATUS: NodeStatus = {
  peerId: PEER,
  ethAddress: null,
  words: null,
  listen: ['/ip4/127.0.0.1/tcp/9000'],
  peers: 1,
  network: 'main',
  version: '0.1.0',
  health: HEALTHY,
  quic: { state: 'active' },
  tunnel: { state: 'off', reason: 'not built yet' },
  reachability: UNREACHED,
  portMapping: { state: 'off', mappings: [] },
  uptimeMs: 5,
  dataDir: '/data',
}

const ADDRESS = ethAddress(`0x${'1'.repeat(40)}`)

/** The agent that the fake has heard of. */
export const AGENT_INFO: AgentInfo = {
  address: ADDRESS,
  peer: PEER,
  name: 'alice',
  connectedSince: 1,
  lastSeen: 2,
  status: {
    peers: 1,
    messagesSent: 2,
    messagesReceived: 3,
    uptimeSeconds: 4,
    memoryBytes: 5,
    dhtSize: 6,
  },
}

const FOUND_AGENT: FoundAgent = {
  peer: PEER,
  preKeys: [],
  addresses: ['/ip4/127.0.0.1/tcp/9000'],
  binding: {
    peer: PEER,
    address: ADDRESS,
    version: 7,
    issuedMs: 7,
    expiresMs: 8,
    ethSignature: new Uint8Array(65),
    peerSignature: new Uint8Array(64),
  },
}

const RIGHTS = {
  service: 'calc',
  tool: '*',
  args: {},
  notBefore: 1,
  expires: 2,
  callsMax: null,
}

const GRANT: IssuedGrant = {
  id: 'a'.repeat(32),
  to: PEER,
  rights: RIGHTS,
  issuedMs: 1_000,
  state: 'active',
  calls: 0,
}

const HELD: HeldGrant = {
  id: 'b'.repeat(32),
  grant: GRANT.id,
  issuer: PEER,
  chain: [PEER],
  rights: RIGHTS,
  state: 'active',
}

/** `STATUS` as the API gives it, with what `fakeNode` has done. */
export const SERVED_STATUS: ServedStatus = {
  ...STATUS,
  activity: {
    bytesIn: 0,
    bytesOut: 0,
    toolsOffered: 0,
    calls: 3,
    served: 4,
    dhtRecords: 0,
    memoryBytes: 0,
  },
}

/** What `fakeNode` knows of any peer. */
export const IDENTITY: IdentityReport = {
  peer: PEER,
  identity: {
    peer: PEER,
    publicKey: new Uint8Array(32).fill(7),
    endpoints: ['/ip6/2001:db8::1/tcp/9000'],
    capabilities: ['dht:server'],
    lastSeenMs: 1_000,
    signature: new Uint8Array(64),
  },
  answered: [PEER],
  failed: [],
  complete: true,
}

/** `asked` has every call with its arguments; `services` can be changed to play their life. */
export interface FakeNode {
  readonly node: ServedNode
  readonly asked: { readonly name: string; readonly args: readonly unknown[] }[]
  readonly services: Map<string, ServiceStatus>
}

const fail = (error: unknown) => assert.fail(String(error))

/** `over` replaces whole operations, one level deep. */
export function fakeNode(over: Partial<ServedNode> = {}): FakeNode {
  const asked: FakeNode['asked'] = []
  const services = new Map<string, ServiceStatus>()
  const note = <T>(name: string, args: readonly unknown[], answer: T): T => {
    asked.push({ name, args })
    return answer
  }
  const entry = { service: 'calc', tool: 'add', peer: PEER, description: 'Adds', idempotent: true }
  const info = {
    name: 'calc_add',
    description: 'Adds',
    inputSchema: { type: 'object' },
    idempotent: true,
    readOnly: true,
  }
  const catalogTool = { ...info, service: 'calc', tool: 'add', peer: PEER }
  const node: ServedNode = {
    calls: 3,
    served: 4,
    events: { net: new Emitter(fail), mcp: new Emitter(fail) },
    status: () => STATUS,
    health: () => HEALTHY,
    reconfigure: (...args) => note('reconfigure', args, { now: [], restart: ['dht.k'] }),
    configToml: () => '[network]\nname = "main"\n',
    resources: () => RESOURCES,
    peers: async () => [{ peer: PEER, connections: [], protocols: ['/ipfs/ping/1.0.0'] }],
    connect: async (...args) => note('connect', args, PEER),
    disconnect: async (...args) => note('disconnect', args, undefined),
    ping: async (...args) => note('ping', args, 1.5),
    identityOf: async (...args) => note('identityOf', args, IDENTITY),
    tools: {
      find: async (...args) => note('tools.find', args, [entry]),
      call: async (...args) => {
        const attempts = [{ peer: PEER, path: 'tcp', ms: 2, code: 'ok' }]
        return note('tools.call', args, { content: [{ type: 'text' }], peer: PEER, attempts })
      },
    },
    catalog: {
      list: async (...args) => note('catalog.list', args, [info]),
      call: async (...args) => note('catalog.call', args, { content: [], isError: true }),
      withheld: async (...args) => {
        return note('catalog.withheld', args, [
          { tool: catalogTool, why: 'changed' as const, hash: 'h' },
        ])
      },
      read: async (...args) => {
        return note('catalog.read', args, { uri: args[0], mimeType: 'application/json', text: '' })
      },
      approve: async (...args) => note('catalog.approve', args, catalogTool),
      pin: async (...args) => note('catalog.pin', args, catalogTool),
    },
    services: {
      list: () => [...services.values()],
      async expose(spec, options) {
        const { name } = spec
        const { detached } = options
        const service: ServiceStatus = { name, state: 'ready', tools: [], restarts: 0, detached }
        services.set(name, service)
        return note('services.expose', [spec, options], service)
      },
      async invitation(name) {
        return note('services.invitation', [name], 'p2p-invite-x')
      },
      async unexpose(name) {
        services.delete(name)
        note('services.unexpose', [name], undefined)
      },
    },
    grants: {
      issue: async (...args) => note('grants.issue', args, { ...GRANT, token: 't' }),
      list: () => [],
      revoke: async (...args) => note('grants.revoke', args, undefined),
      accept: async (...args) => note('grants.accept', args, HELD),
      held: () => [],
      delegate: async (...args) => note('grants.delegate', args, 'token'),
      audit: (...args) => note('grants.audit', args, []),
    },
    agent: fakeAgent(note, AGENT_INFO),
    agents: {
      list: () => note('agents.list', [], [AGENT_INFO]),
      find: async (address, options) => note('agents.find', [address, options], FOUND_AGENT),
    },
    dht: {
      put: async (key, value, options) => {
        const report = { key, version: 1, stored: [PEER], failed: [], wanted: 20 }
        return note('dht.put', [key, value, options], report)
      },
      get: async (key, options) => {
        const found = { key, value: Uint8Array.of(0x68, 0x69), publisher: PEER, version: 1 }
        return note('dht.get', [key, options], { ...found, answered: [PEER], failed: [] })
      },
      claimName: async (name, options) => {
        const report = { name, peer: PEER, stored: [PEER], failed: [], wanted: 20 }
        return note('dht.claimName', [name, options], report)
      },
      findName: async (name, options) => {
        const found = { name, claims: [{ peer: PEER }], more: false, answered: [PEER], failed: [] }
        return note('dht.findName', [name, options], { ...found, complete: true })
      },
      buckets: () => [{ sharedBits: 3, peers: [PEER] }],
    },
    ...over,
  }
  return { node, asked, services }
}

/** Every path of the table, as the OpenAPI document writes it. */
export const PATHS = [
  ...new Set(Object.values(operations).map(({ path }) => path.replace(/:(\w+)/g, '{$1}'))),
]
