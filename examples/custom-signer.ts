/**
 * A key that this process never sees: a worker holds it and signs what it is asked to, as a key
 * agent, a token or a service of your cloud would. QUIC needs the key itself, so such a node says
 * that it has none and speaks TCP.
 */

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import { createNode, type InjectedSigner } from 'p2p-foundation'
import { folder, quiet } from './folder.ts'

const AGENT = `
  const { parentPort } = require('node:worker_threads')
  const { generateKeyPairSync, sign } = require('node:crypto')
  const { privateKey, publicKey } = generateKeyPairSync('ed25519')
  parentPort.postMessage(publicKey.export({ format: 'der', type: 'spki' }).subarray(-32))
  parentPort.on('message', ({ id, bytes }) => {
    parentPort.postMessage({ id, signature: sign(null, bytes, privateKey) })
  })
`
const agent = new Worker(AGENT, { eval: true })
const [publicKey] = (await once(agent, 'message')) as [Uint8Array]

let asked = 0
const waiting = new Map<number, (signature: Uint8Array) => void>()
agent.on('message', ({ id, signature }: { id: number; signature: Uint8Array }) => {
  waiting.get(id)?.(signature)
  waiting.delete(id)
})
const signer: InjectedSigner = {
  publicKey,
  sign: (bytes) =>
    new Promise((resolve) => {
      asked += 1
      waiting.set(asked, resolve)
      agent.postMessage({ id: asked, bytes })
    }),
}

try {
  await using a = await folder()
  await using b = await folder()
  await using alice = await createNode(quiet(a.path), { signer })
  await using bob = await createNode(quiet(b.path))
  assert.ok(!existsSync(join(a.path, 'identity.key')))
  console.log(`QUIC is ${alice.status().quic.state}: ${alice.status().quic.reason}`)
  assert.equal(alice.status().quic.state, 'unavailable')

  const [address = ''] = alice.addresses
  assert.match(address, /\/tcp\//)
  // The handshake proves the key: bob would not come to believe in another one.
  assert.equal(await bob.connect(address), alice.peerId)
  const { stored } = await alice.dht.put(`/data/${alice.peerId}/x`, Buffer.from('signed elsewhere'))
  assert.ok(stored.length > 0)
  console.log(`${alice.peerId} was proven with ${asked} signatures of the agent`)

  const liar = { publicKey, sign: () => new Uint8Array(64) }
  await using c = await folder()
  await assert.rejects(createNode(quiet(c.path), { signer: liar }), {
    code: 'NODE_INJECTED_INVALID',
  })
} finally {
  await agent.terminate()
}
