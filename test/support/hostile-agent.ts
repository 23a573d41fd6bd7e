/**
 * An agent that writes down what it does, and a peer that hands it messages which are wrong in one
 * way each: over a stream, on the topic, or through whoever keeps them.
 */

import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { writeEnvelope } from '../../src/agent/envelope.ts'
import type { Draft } from '../../src/agent/envelope-codec.ts'
import type { AgentMessage } from '../../src/agent/index.ts'
import { MESSAGE_TOPIC } from '../../src/agent/message-topic.ts'
import { readPreKey } from '../../src/agent/pre-keys.ts'
import { BODY_BYTES_MAX, ENVELOPE_BYTES_MAX, SEAL_BYTES } from '../../src/agent/protocol.ts'
import { Sealer } from '../../src/agent/seal.ts'
import {
  Registry,
  secureRandom,
  silentLog,
  startAll,
  stopAll,
  systemClock,
  utf8,
} from '../../src/base/index.ts'
import {
  type EthSigner,
  ethAddress,
  ethAddressToBytes,
  ethSigner,
  generateKeys,
  newEthKey,
  signBinding,
} from '../../src/identity/index.ts'
import { type Node, type NodeOptions, openNode, resolveOptions } from '../../src/node/index.ts'
import {
  gossipService,
  Pubsub,
  pubsubConfig,
  pubsubMetrics,
  type TopicRules,
} from '../../src/pubsub/index.ts'
import { RpcClient, rpcConfig, rpcMetrics } from '../../src/rpc/index.ts'
import { type Cbor, decodeCbor, encodeCbor } from '../../src/wire/index.ts'
import { coded } from './expect.ts'
import { openPolicy, testHost } from './testnet.ts'

const NETWORK = 'test'
export const MINUTE_MS = 60_000
export const HOUR_MS = 3_600_000
const SECP256K1_ORDER =
  0xffff_ffff_ffff_ffff_ffff_ffff_ffff_fffe_baae_dce6_af48_a03b_bfd2_5e8c_d036_4141n

export interface Receiver {
  readonly node: Node
  readonly told: readonly AgentMessage[]
  readonly logs: readonly string[]
}

export interface ReceiverOptions {
  readonly environment?: Record<string, string>
  readonly agent?: object
  /** Addresses of first peers. */
  readonly bootstrap?: readonly string[]
}

/** An agent that writes everything it does to `logs`, on a folder that outlives it. */
export async function receiver(
  t: TestContext,
  dataDir: string,
  { environment = {}, agent = {}, bootstrap }: ReceiverOptions = {},
): Promise<Receiver> {
  const logs: string[] = []
  const options: NodeOptions = {
    preset: 'test',
    agent: { enabled: true, ...agent },
    ...(bootstrap !== undefined && { bootstrap: { nodes: [...bootstrap] } }),
    log: { level: 'debug' },
    dataDir,
  }
  const writeLog = (line: string) => logs.push(line)
  const node = await openNode(resolveOptions(options, environment), { environment, writeLog })
  t.after(() => node.stop())
  const told: AgentMessage[] = []
  node.agent?.on('message', (message) => void told.push(message))
  return { node, told, logs }
}

export async function folderOf(t: TestContext): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'p2p-refusals-'))
  t.after(() => rm(path, { recursive: true, force: true }))
  return path
}

/** As the topic carries them, whatever they are: nothing is looked at here. */
const ANY_BYTES: TopicRules<unknown> = {
  codec: { encode: (value) => value as Uint8Array, decode: (bytes) => bytes },
  bytesMax: 512 * 1024,
  repair: { keep: 512, bytesMax: 8 * 1024 * 1024 },
}

/** A peer with both keys that hands a node any bytes, and can make good messages to begin with. */
export async function sender(t: TestContext, node: Node) {
  const keys = generateKeys(secureRandom)
  const room = { network: NETWORK, clock: systemClock, log: silentLog, random: secureRandom }
  const topics = { ...room, policy: openPolicy, metrics: pubsubMetrics(new Registry()) }
  const gossip = await gossipService(topics, pubsubConfig.parse({}))
  const deps = { keys, services: { pubsub: gossip.service } }
  const host = await testHost({ listen: ['/ip4/127.0.0.1/tcp/0'], deps })
  const metrics = rpcMetrics(new Registry())
  const client = new RpcClient({ ...room, host, metrics }, rpcConfig.parse({}))
  const pubsub = new Pubsub({ ...topics, gossip }, pubsubConfig.parse({}))
  const services = [host, client, pubsub]
  await startAll(services)
  t.after(() => stopAll(services))
  const meet = (other: Node) => host.connect(other.addresses[0] ?? '')
  await meet(node)
  const { signer } = keys
  const eth = ethSigner(newEthKey(secureRandom))
  const [packed] = (await client.call(node.peerId, 'agent.keys', null)) as readonly Cbor[]
  const rules = { peer: node.peerId, network: NETWORK, nowMs: systemClock.now() }
  const preKey = readPreKey(packed ?? null, rules)
  const from = { random: secureRandom, clock: systemClock, network: NETWORK, from: signer.peer }
  const sealer = new Sealer(from)
  const bindingBy = (speaker: EthSigner) => {
    const issuedMs = Date.now()
    const times = { version: issuedMs, issuedMs, expiresMs: issuedMs + HOUR_MS }
    return signBinding(times, { eth: speaker, node: signer }, NETWORK)
  }
  const binding = await bindingBy(eth)

  /** A message as it should be, but for what `more` changes before it is sealed and signed. */
  async function message(
    more: Partial<Draft> = {},
    { network = NETWORK, hasAddress = true, isSealed = true } = {},
  ): Promise<Uint8Array> {
    const nowMs = systemClock.now()
    const draft: Draft = {
      from: { peer: signer.peer },
      ...(hasAddress && { binding }),
      to: { address: ethAddress(node.ethAddress ?? '') },
      id: secureRandom.bytes(16),
      sentAtMs: nowMs,
      expiresAtMs: nowMs + HOUR_MS,
      kind: 'message',
      body: utf8('take me'),
      ...more,
    }
    const said = isSealed ? sealer.seal(draft, preKey) : draft
    return writeEnvelope(said, signer, { network })
  }

  /** Says it on the topic of messages, as its author. */
  async function publish(bytes: Uint8Array): Promise<void> {
    pubsub.topic(MESSAGE_TOPIC, ANY_BYTES)
    const sent = await pubsub.publish(MESSAGE_TOPIC, bytes, { waitForPeersMs: 10_000 })
    assert.equal(sent.state, 'sent')
  }

  return {
    peer: signer.peer,
    eth,
    meet,
    message,
    bindingBy,
    publish,
    ask: (method: string, payload: Cbor) => client.call(node.peerId, method, payload),
    deliver: (bytes: Uint8Array) => client.call(node.peerId, 'agent.deliver', bytes),
  }
}

export const fieldsOf = (bytes: Uint8Array) =>
  decodeCbor(bytes, 'message', 2 * ENVELOPE_BYTES_MAX) as Map<Cbor, Cbor>

/** The same envelope with one field changed by somebody who cannot sign it again. */
export const bent = (bytes: Uint8Array, key: number, value: Cbor) =>
  encodeCbor(new Map([...fieldsOf(bytes), [key, value]]))

/** All the same fields and values, the last one first. */
export function reordered(bytes: Uint8Array): Uint8Array {
  const pairs = [...fieldsOf(bytes)].map(([key, value]) => encodeCbor([key, value]).subarray(1))
  return Buffer.concat([bytes.subarray(0, 1), ...pairs.reverse()])
}

/** The other signature that the same key could have made: s is order − s, and v the other one. */
export function highS(eth: EthSigner): EthSigner {
  const signMessage = (text: string | Uint8Array) => {
    const signature = Buffer.from(eth.signMessage(text))
    const s = SECP256K1_ORDER - BigInt(`0x${signature.subarray(32, 64).toString('hex')}`)
    signature.write(s.toString(16).padStart(64, '0'), 32, 'hex')
    signature[64] = signature[64] === 27 ? 28 : 27
    return Uint8Array.from(signature)
  }
  return { address: eth.address, signMessage }
}

export const refusedBy = ({ node }: Receiver, code: string, route = 'direct') =>
  node.registry.total('p2p_agent_messages_refused', { code, route })
export const copiesAt = ({ node }: Receiver) =>
  node.registry.total('p2p_agent_messages_received', { outcome: 'repeated' })
export const linesOf = ({ logs }: Receiver, msg: string) =>
  logs.map((line) => JSON.parse(line) as Record<string, unknown>).filter((one) => one.msg === msg)

/** Refused with this code, counted once under it, explained, and told to nobody. */
export async function assertRefused(
  at: Receiver,
  { deliver, peer }: Awaited<ReturnType<typeof sender>>,
  { bytes, code, why }: { bytes: Uint8Array; code: string; why: RegExp },
): Promise<void> {
  const before = { counted: await refusedBy(at, code), told: at.told.length }
  const logged = linesOf(at, 'message refused').length
  await assert.rejects(deliver(bytes), coded(code))
  assert.equal(await refusedBy(at, code), before.counted + 1, code)
  const [line = {}, ...more] = linesOf(at, 'message refused').slice(logged)
  assert.deepEqual([line.code, more], [code, []])
  assert.match(String(line.reason), why)
  assert.ok(String(line.by).endsWith(peer.slice(-6)), String(line.by))
  assert.equal(at.told.length, before.told, code)
}

/** One message for each thing that can be wrong with it: what it is refused with, and why. */
export async function wrongMessages(
  at: Receiver,
  from: Awaited<ReturnType<typeof sender>>,
): Promise<readonly (readonly [code: string, bytes: Uint8Array, why: RegExp])[]> {
  const good = await from.message()
  const elsewhere = ethSigner(newEthKey(secureRandom)).address
  const nowMs = systemClock.now()
  const signature = Uint8Array.from(fieldsOf(good).get(16) as Uint8Array)
  signature[40] = (signature[40] ?? 0) ^ 1
  const forOther = await from.message({ to: { address: elsewhere } })
  const toUs = [1, ethAddressToBytes(ethAddress(at.node.ethAddress ?? ''))]
  const tooMuch = new Uint8Array(BODY_BYTES_MAX + SEAL_BYTES + 1)
  return [
    ['AGENT_SIGNATURE_INVALID', bent(good, 16, signature), /signature does not hold/],
    ['AGENT_SIGNATURE_INVALID', bent(good, 10, 'other talk'), /signature does not hold/],
    ['AGENT_OTHER_RECIPIENT', forOther, /it is for …\w{6}, not for us/],
    ['AGENT_SIGNATURE_INVALID', bent(forOther, 5, toUs), /signature does not hold/],
    [
      'AGENT_OTHER_NETWORK',
      await from.message({}, { network: 'elsewhere' }),
      /network "elsewhere".*"test"/,
    ],
    [
      'AGENT_EXPIRED',
      await from.message({ sentAtMs: nowMs - HOUR_MS, expiresAtMs: nowMs - 1_000 }),
      /it expired \d+ ms ago/,
    ],
    [
      'AGENT_FROM_FUTURE',
      await from.message({ sentAtMs: nowMs + 2 * MINUTE_MS, expiresAtMs: nowMs + HOUR_MS }),
      /wanted at most 60000/,
    ],
    [
      'AGENT_BINDING_INVALID',
      await from.message({ binding: await from.bindingBy(highS(from.eth)) }),
      /Cannot believe the address .* its ETH signature is not one of …/,
    ],
    ['AGENT_ENVELOPE_INVALID', reordered(good), /wanted an envelope/],
    ['AGENT_TOO_LARGE', bent(good, 15, tooMuch), /524289|the limit is/],
    ['AGENT_TOO_LARGE', new Uint8Array(ENVELOPE_BYTES_MAX + 1), /a message of 52\d{4} bytes/],
  ]
}

/** A chain on which nobody has an entry: four words of zeros answer `standing`. */
export async function emptyRegistry(t: TestContext): Promise<string> {
  const server = createServer((request, response) => {
    const parts: Buffer[] = []
    request.on('data', (part: Buffer) => void parts.push(part))
    request.on('end', () => {
      const { id } = JSON.parse(Buffer.concat(parts).toString()) as { id: number }
      const body = JSON.stringify({ jsonrpc: '2.0', id, result: `0x${'0'.repeat(256)}` })
      response.setHeader('content-type', 'application/json').end(body)
    })
  })
  await new Promise<void>((ready) => void server.listen(0, '127.0.0.1', ready))
  t.after(() => new Promise((closed) => server.close(closed)))
  t.after(() => server.closeAllConnections())
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}
