/**
 * The official conformance suite against our fixture server alone, and through two nodes: the
 * suite → a node's gateway → the network → another node → the server, which is spoken to over
 * HTTP, and once more over stdio. Whatever passes alone must pass through them.
 */

import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { createInterface } from 'node:readline'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { type CliNode, startNode } from '../support/cli.ts'
import { lost, runSuite, sideBySide } from './suite.ts'
import { withToken } from './with-token.ts'

const FIXTURE = fileURLToPath(new URL('fixture.ts', import.meta.url))
const REVISIONS = ['2025-11-25', '2026-07-28']

test('whatever passes against a server alone passes through two nodes', async (t) => {
  const server = spawn(process.execPath, [FIXTURE], { stdio: ['ignore', 'pipe', 'inherit'] })
  t.after(() => server.kill('SIGKILL'))
  const alone = `http://127.0.0.1:${await firstLine(server)}/mcp`
  await using far = await startNode()
  await using near = await startNode([`--bootstrap=${far.address()}`])
  await exposed(far, ['--name=http', `--url=${alone}`])
  await exposed(far, ['--name=stdio', '--', process.execPath, FIXTURE, '--stdio'])
  const token = (await readFile(near.ready.tokenFile, 'utf8')).trim()
  const peer = far.ready.peerId
  await using http = await withToken(`${near.ready.mcp}/http@${peer}`, token)
  await using stdio = await withToken(`${near.ready.mcp}/stdio@${peer}`, token)
  for (const revision of REVISIONS) {
    await t.test(revision, async (sub) => {
      const found = {
        alone: await runSuite(alone, revision),
        'two nodes, HTTP': await runSuite(http.url, revision),
        'two nodes, stdio': await runSuite(stdio.url, revision),
      }
      for (const line of sideBySide(found)) sub.diagnostic(line)
      assert.deepEqual(lost(found.alone, found['two nodes, HTTP']), [])
      assert.deepEqual(lost(found.alone, found['two nodes, stdio']), [])
      assert.ok(found.alone.size > 60, `${found.alone.size} checks`)
    })
  }
})

async function exposed(node: CliNode, words: readonly string[]): Promise<void> {
  const { code, stderr } = await node.p2p('expose', '--detach', ...words)
  assert.equal(code, 0, stderr)
}

async function firstLine({ stdout }: ChildProcess): Promise<string> {
  assert.ok(stdout !== null)
  const lines: unknown[] = await once(createInterface({ input: stdout }), 'line')
  return String(lines[0])
}
