import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import { test } from 'node:test'
import { TOKEN } from '../../test/support/control.ts'
import { coded } from '../../test/support/expect.ts'
import { PEER } from '../../test/support/served-node.ts'
import { proofOf } from './proof.ts'
import { HttpTransport } from './transport.ts'

test('a stream that falls silent for too long is the end of the node', async (t) => {
  const server = createServer((request, response) => {
    const { pathname, searchParams } = new URL(request.url ?? '', 'http://localhost')
    if (pathname !== '/proof') {
      response.writeHead(200)
      response.write('one\n')
      return
    }
    const nonce = searchParams.get('nonce') ?? ''
    const port = request.socket.localPort ?? 0
    const proof = proofOf(TOKEN, { nonce, port, peerId: PEER })
    const body = JSON.stringify({ peerId: PEER, proof })
    response.setHeader('content-length', body.length)
    response.end(body)
  })
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  assert.ok(typeof address === 'object' && address !== null)
  const url = `http://127.0.0.1:${address.port}`
  const transport = new HttpTransport({ url, token: TOKEN, name: '/data', start: 'p2p start' })
  t.after(() => transport.close())
  const lines: string[] = []
  await assert.rejects(async () => {
    // The silence before the first line counts too, and a busy machine takes its time for that.
    for await (const line of transport.lines('events', {}, { silenceMs: 1000 })) lines.push(line)
  }, coded('CONTROL_NODE_UNREACHABLE'))
  assert.deepEqual(lines, ['one'])
})
