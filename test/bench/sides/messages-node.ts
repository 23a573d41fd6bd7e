/** One end of direct messages: a whole node with an agent, with every check, quota and store on. */

import { rmSync } from 'node:fs'
import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Node, openNode, resolveOptions } from '../../../src/node/index.ts'
import { serveWorker } from '../harness-worker.ts'
import { agentOf, generous } from '../messages-agent.ts'
import { type Load, measurePace } from '../messages-load.ts'

const DELIVERED = ['delivered', 'read']

interface Start {
  readonly bootstrap?: string
  readonly granted?: string
}

let node: Node | undefined

await serveWorker({
  async start({ bootstrap, granted }: Start) {
    const dataDir = await mkdtemp(join(tmpdir(), 'p2p-bench-'))
    process.on('exit', () => rmSync(dataDir, { recursive: true, force: true }))
    const nodes = bootstrap === undefined ? [] : [bootstrap]
    const options = generous(dataDir, granted === undefined ? [] : [granted])
    const config = resolveOptions({ ...options, bootstrap: { nodes } }, {})
    node = await openNode(config, { version: '0.0.0' })
    const address = node.addresses.find((one) => one.includes('/quic-v1'))
    return { peer: node.peerId, address }
  },

  async measure({ to, ...load }: Load & { readonly to: string }) {
    const agent = agentOf(running())
    const body = new Uint8Array(load.bytes).fill(0x2a)
    const ended = new Map<string, PromiseWithResolvers<string>>()
    const of = (id: string) => {
      const known = ended.get(id) ?? Promise.withResolvers<string>()
      ended.set(id, known)
      return known
    }
    const end = ({ id, state, reason }: { id: string; state: string; reason?: string }) => {
      if (['queued', 'sent', 'stored'].includes(state)) return
      of(id).resolve(`${state} ${reason ?? ''}`.trim())
    }
    agent.on('delivery', end)
    return measurePace(load, async () => {
      const delivery = await agent.send(to, body, {})
      end(delivery)
      const state = await of(delivery.id).promise
      ended.delete(delivery.id)
      if (!DELIVERED.includes(state)) throw new TypeError(`a message ended as ${state}`)
    })
  },
})

function running(): Node {
  if (node === undefined) throw new TypeError('call start first')
  return node
}
