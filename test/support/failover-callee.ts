/**
 * A node that others call, as a process that can be killed and frozen.
 *
 *   node failover-callee.ts DATA PORT ANNOUNCED FILE [BOOTSTRAP]
 *
 * It offers `steady`, which may run twice, and `count`, which may not: it appends a line to FILE
 * each time it runs, with the last name of DATA, so that the file says where. It prints its address
 * when it is ready, and ends with its standard input.
 */

import { appendFileSync } from 'node:fs'
import { flushCompileCache } from 'node:module'
import { basename } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
// Loaded at the first stream otherwise, which on a busy machine takes as long as a call may.
import '@modelcontextprotocol/server'
import { tool, z } from '../../src/mcp/index.ts'
import { openNode, resolveOptions } from '../../src/node/index.ts'

const [dataDir = '', port = '', announced = '', file = '', bootstrap] = process.argv.slice(2)

const config = resolveOptions(
  {
    preset: 'test',
    dataDir,
    net: {
      listen: [`/ip4/127.0.0.1/tcp/${port}`],
      announce: [`/ip4/127.0.0.1/tcp/${announced}`],
    },
    ...(bootstrap === undefined ? {} : { bootstrap: { nodes: [bootstrap] } }),
  },
  {},
)
const node = await openNode(config, { version: '0.0.0', writeLog: () => undefined })
const input = z.object({ id: z.string(), beforeMs: z.number(), afterMs: z.number() })
await node.expose('failover', [
  tool('steady', { input, idempotent: true }, async ({ beforeMs, afterMs }) => {
    await wait(beforeMs + afterMs)
    return String(process.pid)
  }),
  tool('count', { input }, async ({ id, beforeMs, afterMs }) => {
    await wait(beforeMs)
    appendFileSync(file, `${id} ${basename(dataDir)}\n`)
    await wait(afterMs)
    return String(process.pid)
  }),
])
// Whoever started it is gone: nothing of it stays behind.
process.stdin.on('end', () => process.exit(0)).resume()
// Whoever is killed writes none later.
flushCompileCache()
process.stdout.write(`/ip4/127.0.0.1/tcp/${announced}/p2p/${node.peerId}\n`)
