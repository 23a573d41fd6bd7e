import assert from 'node:assert/strict'
import { test } from 'node:test'
import { status } from '@grpc/grpc-js'
import { GrpcClient, startGrpc } from '../../test/support/grpc.ts'
import { TEST_CERTIFICATE, tlsFiles } from '../../test/support/grpc-tls.ts'

test('beyond loopback the node is served over TLS, with the token, and not in clear text', async () => {
  using files = tlsFiles()
  const { certificateFile, keyFile } = files
  await using grpc = await startGrpc({ config: { address: '0.0.0.0:0', certificateFile, keyFile } })
  const address = grpc.address.replace('0.0.0.0', 'localhost')
  const root = Buffer.from(TEST_CERTIFICATE)
  const client = new GrpcClient(address, { root })
  assert.ok(Array.isArray(await client.ask('Peers')))
  client.close()
  const stranger = new GrpcClient(address, { root, token: null })
  assert.equal((await stranger.fails('p2p_foundation.Node/Peers')).code, 'CONTROL_TOKEN_MISSING')
  stranger.close()
  const plain = new GrpcClient(address)
  const clear = await plain.fails('p2p_foundation.Node/Peers', {}, { deadlineMs: 1_000 })
  assert.ok([status.UNAVAILABLE, status.DEADLINE_EXCEEDED].includes(clear.status))
  plain.close()
})
