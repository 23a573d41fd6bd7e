/** Requests for the operations of the API over a fake node. */

import { PEER } from './served-node.ts'

/** What each operation that needs something is asked with. */
export const OPERATIONS_GIVEN: Readonly<Record<string, Readonly<Record<string, unknown>>>> = {
  reconfigure: { changes: { 'dht.k': 5, 'mcp.request_timeout': null } },
  connect: { target: PEER, timeoutMs: 500 },
  disconnect: { peer: PEER },
  ping: { peer: PEER },
  identity: { peer: PEER },
  tools: { tool: 'add', accepts: 'a:number,b' },
  call: { tool: 'add', args: { a: [1, { b: null }] }, hedge: true, grants: ['t'] },
  catalogCall: { name: 'calc_add', args: { a: 1 } },
  catalogRead: { uri: 'p2p:result/1' },
  catalogApprove: { name: 'calc_add' },
  catalogPin: { name: 'calc_add', pinned: true },
  expose: {
    name: 'calc',
    source: { kind: 'stdio', command: 'calc', args: [], cwd: '/', env: { A: 'b' } },
  },
  invitation: { name: 'calc' },
  unexpose: { name: 'calc' },
  grant: { service: 'calc', tool: '*', to: PEER, expiresInSeconds: 60 },
  grantAccept: { token: 't' },
  grantRevoke: { id: 'a'.repeat(32) },
  grantDelegate: { from: 'token', to: PEER, tool: '*' },
  audit: { limit: 3 },
  dhtPut: { key: '/k', value: 'aGk=', encoding: 'base64' },
  dhtGet: { key: '/k' },
  nameClaim: { name: 'alice' },
  nameFind: { name: 'alice' },
  agentFind: { address: `0x${'1'.repeat(40)}` },
  messageSend: { to: PEER, data: { say: ['hello', 1, null] }, conversation: 'c', expiresMs: 5_000 },
  messages: { limit: 5, text: 'hello' },
  messageNext: { after: 3, timeoutMs: 1_000 },
}
