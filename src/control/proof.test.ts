import assert from 'node:assert/strict'
import { createServer, type Server } from 'node:http'
import { connect, createServer as createTcpServer } from 'node:net'
import { test } from 'node:test'
import { ask, codeOf, startControl, TOKEN } from '../../test/support/control.ts'
import { coded } from '../../test/support/expect.ts'
import { PEER } from '../../test/support/served-node.ts'
import { ControlClient } from './client.ts'
import { isProof, proofOf } from './proof.ts'

const NONCE = 'n'.repeat(32)

const clientFor = (url: string, over: { token?: string; peerId?: string } = {}) =>
  new ControlClient({ url, token: TOKEN, name: '/data', start: 'p2p start', ...over })

async function portOf(server: Server | ReturnType<typeof createTcpServer>): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  assert.ok(typeof address === 'object' && address !== null)
  return address.port
}

test('a proof holds for its token, nonce, port and peer, and for no other', () => {
  const claim = { nonce: NONCE, port: 9002, peerId: PEER }
  const proof = proofOf(TOKEN, claim)
  assert.equal(isProof(proof, TOKEN, claim), true)
  assert.equal(isProof(proof, 'other', claim), false)
  assert.equal(isProof(proof, TOKEN, { ...claim, nonce: `${NONCE}x` }), false)
  assert.equal(isProof(proof, TOKEN, { ...claim, port: 9003 }), false)
  assert.equal(isProof(proof, TOKEN, { ...claim, peerId: 'x' }), false)
  assert.equal(isProof(proof.slice(1), TOKEN, claim), false)
})

test('GET /proof answers without a token, to the hosts of the node, and wants a nonce', async () => {
  await using control = await startControl()
  const url = `${control.api}/proof`
  const { status, json } = await ask(`${url}?nonce=${NONCE}`, { token: null })
  assert.equal(status, 200)
  const port = Number(new URL(control.api).port)
  assert.deepEqual(json, {
    peerId: PEER,
    proof: proofOf(TOKEN, { nonce: NONCE, port, peerId: PEER }),
  })
  for (const nonce of ['', 'short', 'x'.repeat(65), `${'n'.repeat(22)}%0a`]) {
    const wrong = await ask(`${url}?nonce=${nonce}`, { token: null })
    assert.equal(codeOf(wrong), 'CONTROL_REQUEST_INVALID', nonce)
  }
  const foreign = await ask(`${url}?nonce=${NONCE}`, { headers: { host: 'evil.example' } })
  assert.equal(foreign.status, 403)
})

test('a client says nothing to who cannot prove to be its node', async () => {
  const heard: string[] = []
  const answers: Record<string, (nonce: string, port: number) => string> = {
    'another program': () => '<html>',
    'an empty answer': () => '{}',
    'another token': (nonce, port) => {
      const proof = proofOf('other', { nonce, port, peerId: PEER })
      return JSON.stringify({ peerId: PEER, proof })
    },
    'an old answer': (_, port) => {
      const proof = proofOf(TOKEN, { nonce: NONCE, port, peerId: PEER })
      return JSON.stringify({ peerId: PEER, proof })
    },
  }
  for (const [name, answer] of Object.entries(answers)) {
    const impostor = createServer((request, response) => {
      heard.push(JSON.stringify([request.url?.split('?')[0], request.headers]))
      const nonce = new URL(request.url ?? '', 'http://x').searchParams.get('nonce') ?? ''
      const body = answer(nonce, request.socket.localPort ?? 0)
      response.writeHead(200, { 'content-length': Buffer.byteLength(body) })
      response.end(body)
    })
    const port = await portOf(impostor)
    await using client = clientFor(`http://127.0.0.1:${port}`, { peerId: PEER })
    await assert.rejects(client.connect('secret'), coded('CONTROL_NODE_UNREACHABLE'), name)
    impostor.closeAllConnections()
    impostor.close()
  }
  assert.equal(heard.length, Object.keys(answers).length)
  assert.doesNotMatch(heard.join('\n'), new RegExp(`${TOKEN}|secret|authorization`))
  for (const line of heard) assert.match(line, /^\["\/proof"/)
})

test('a program on the old port cannot pass on the proof of the node on its new one', async () => {
  await using control = await startControl()
  const { hostname, port: real } = new URL(control.api)
  const seen: string[] = []
  const relay = createTcpServer((near) => {
    const far = connect({ host: hostname, port: Number(real) })
    near.on('data', (chunk: Buffer) => {
      seen.push(chunk.toString())
      // With the host that the node wants to hear.
      far.write(chunk.toString().replace(/host: \S+/i, `host: 127.0.0.1:${real}`))
    })
    far.on('data', (chunk) => near.write(chunk))
    near.on('error', () => far.destroy()).on('close', () => far.destroy())
  })
  const port = await portOf(relay)
  await using client = clientFor(`http://127.0.0.1:${port}`)
  await assert.rejects(client.status(), /does not know the token/)
  relay.close()
  assert.equal(seen.length, 1)
  assert.ok(!seen.join('').includes(TOKEN))
})

test('every new connection is proven, also where an earlier one was', async () => {
  const control = await startControl()
  await using client = clientFor(control.api)
  await client.status()
  const port = Number(new URL(control.api).port)
  await control.server.stop()
  let heard = ''
  const impostor = createTcpServer((socket) => {
    socket.on('error', () => undefined)
    socket.on('data', (chunk) => {
      heard += chunk.toString()
      socket.end('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}')
    })
  })
  await new Promise<void>((resolve) => impostor.listen(port, '127.0.0.1', resolve))
  // The first may still find the old connection, which is just being closed.
  for (let i = 0; i < 5 && heard === ''; i += 1) {
    await assert.rejects(client.status(), coded('CONTROL_NODE_UNREACHABLE'))
  }
  impostor.close()
  assert.match(heard, /^GET \/proof/)
  assert.doesNotMatch(heard, /authorization/i)
})

test('an answer without an end, too long or of another node is no proof', async () => {
  await using control = await startControl()
  await using other = clientFor(control.api, { peerId: 'somebody else' })
  await assert.rejects(other.status(), /it is another node/)
  await using stranger = clientFor(control.api, { token: 'y'.repeat(43) })
  await assert.rejects(stranger.status(), /api\.token was changed/)
  for (const text of [`HTTP/1.1 200 OK\r\n\r\n${'x'.repeat(9_000)}`, 'x'.repeat(9_000), '']) {
    const babbler = createTcpServer((socket) => {
      socket.on('error', () => undefined)
      socket.on('data', () => (text === '' ? socket.end() : socket.write(text)))
    })
    const port = await portOf(babbler)
    await using client = clientFor(`http://127.0.0.1:${port}`)
    await assert.rejects(client.status(), coded('CONTROL_NODE_UNREACHABLE'))
    babbler.close()
  }
})
