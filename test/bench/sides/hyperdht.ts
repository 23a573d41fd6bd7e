/**
 * HyperDHT: UDX streams under Noise. The serving node is its own entry to the DHT and is told to
 * the dialler, so that no search is counted; one stream for each connection is all that it has.
 */

import { createRequire } from 'node:module'
import type { Duplex } from 'node:stream'
import { duplexPipe } from './duplex.ts'
import type { Stack } from './stack.ts'

interface Dht {
  readonly defaultKeyPair: { readonly publicKey: Buffer }
  fullyBootstrapped(): Promise<void>
  address(): { readonly host: string; readonly port: number }
  createServer(onConnection: (stream: Duplex) => void): { listen(keyPair: object): Promise<void> }
  connect(publicKey: Buffer, options: object): Duplex
}

type DhtClass = new (options: object) => Dht

const require = createRequire(new URL('../peers/package.json', import.meta.url))

export function hyperdht(): Stack {
  const HyperDHT = require('hyperdht') as DhtClass
  let dialling: Dht | undefined
  async function started(address: string): Promise<Dht> {
    const { entry } = parse(address)
    dialling ??= new HyperDHT({ bootstrap: [entry], port: 0, firewalled: false, ephemeral: true })
    await dialling.fullyBootstrapped()
    return dialling
  }
  return {
    async listen({ host }, serve) {
      const node = new HyperDHT({ ...open(host), bootstrap: [] })
      await node.fullyBootstrapped()
      const server = node.createServer((stream) => serve(duplexPipe(stream)))
      await server.listen(node.defaultKeyPair)
      const { port } = node.address()
      return { quic: `${host}:${port}/${node.defaultKeyPair.publicKey.toString('hex')}` }
    },

    ready: started,

    async dial(address) {
      const { entry, key } = parse(address)
      const node = await started(address)
      const connect = async () => {
        const stream = node.connect(key, { relayAddresses: [entry] })
        stream.on('error', () => {})
        await new Promise((resolve, reject) => stream.once('open', resolve).once('close', reject))
        return stream
      }
      const streams = [await connect()]
      let opened = 0
      return {
        async open() {
          const stream = streams[opened] ?? (await connect())
          streams[opened] = stream
          opened += 1
          return duplexPipe(stream)
        },
        async close() {
          for (const stream of streams) stream.destroy()
        },
      }
    },
  }
}

function parse(address: string) {
  const [at = '', key = ''] = address.split('/')
  const [host = '', port = ''] = at.split(':')
  return { entry: { host, port: Number(port) }, key: Buffer.from(key, 'hex') }
}

function open(host: string) {
  return { host, port: 0, firewalled: false, ephemeral: false, anyPort: true }
}
