/**
 * What messages are made of, alone: the stream of calls that they travel on, with as many bytes
 * there and back and nothing done with them; and the signatures that each of them needs.
 */

import { AccessPolicy, accessConfig, accessMetrics } from '../../../src/access/index.ts'
import { Registry, secureRandom, silentLog, systemClock } from '../../../src/base/index.ts'
import {
  generateKeys,
  type PeerId,
  signerFromSeed,
  verifySignature,
} from '../../../src/identity/index.ts'
import { createNet, type Libp2pHost, netConfig, netMetrics } from '../../../src/net/index.ts'
import { RpcClient, RpcServer, rpcConfig, rpcMetrics } from '../../../src/rpc/index.ts'
import { serveWorker } from '../harness-worker.ts'
import { type Load, measurePace } from '../messages-load.ts'

/** What an envelope and a receipt have around a body. */
const ENVELOPE_BYTES = 700
const RECEIPT_BYTES = 700
const METHOD = 'bench.deliver'

const clock = systemClock
const log = silentLog
interface Started {
  readonly host: Libp2pHost
  readonly deps: ConstructorParameters<typeof RpcServer>[0] &
    ConstructorParameters<typeof RpcClient>[0]
}

let dialling: Started | undefined
let dialled: { readonly client: RpcClient; readonly peer: PeerId } | undefined

await serveWorker({
  async listen({ granted }: { readonly granted: string }) {
    const { host, deps } = await started([granted])
    const server = new RpcServer(deps, rpcConfig.parse({}))
    const receipt = secureRandom.bytes(RECEIPT_BYTES)
    server.handle(METHOD, async () => receipt)
    await server.start()
    return host.addresses().find((address) => address.includes('/quic-v1'))
  },

  async start() {
    dialling = await started([])
    return { peer: dialling.host.self }
  },

  async dial({ address }: { readonly address: string }) {
    if (dialling === undefined) throw new TypeError('call start first')
    const { host, deps } = dialling
    const client = new RpcClient(deps, rpcConfig.parse({}))
    await client.start()
    dialled = { client, peer: await host.connect(address) }
  },

  async measure(load: Load) {
    if (dialled === undefined) throw new TypeError('call dial first')
    const { client, peer } = dialled
    const envelope = secureRandom.bytes(load.bytes + ENVELOPE_BYTES)
    return measurePace(load, async () => {
      await client.call(peer, METHOD, envelope)
    })
  },

  /** Milliseconds for one signature, and for one look at it. */
  async signatures({ bytes, count }: { readonly bytes: number; readonly count: number }) {
    const signer = signerFromSeed(secureRandom.bytes(32))
    const text = secureRandom.bytes(bytes + ENVELOPE_BYTES)
    const round = async () => {
      const began = performance.now()
      let signature: Uint8Array = new Uint8Array()
      for (let i = 0; i < count; i += 1) signature = signer.sign(text)
      const signed = performance.now()
      for (let i = 0; i < count; i += 1) {
        if (!verifySignature(signer.peer, text, signature)) throw new TypeError('not verified')
      }
      return { sign: (signed - began) / count, verify: (performance.now() - signed) / count }
    }
    await round()
    return round()
  },
})

async function started(granted: readonly string[]): Promise<Started> {
  const registry = new Registry()
  const metrics = accessMetrics(registry)
  const policy = new AccessPolicy({ clock, log, metrics }, accessConfig.parse({ granted }))
  const listen = ['/ip4/127.0.0.1/udp/0/quic-v1']
  const host = await createNet(
    {
      keys: generateKeys(secureRandom),
      policy,
      clock,
      log,
      metrics: netMetrics(registry),
      agent: 'p2p-foundation/bench',
    },
    netConfig.parse({ listen }),
  )
  await host.start()
  const deps = { host, policy, network: 'main', clock, log, metrics: rpcMetrics(registry) }
  return { host, deps }
}
