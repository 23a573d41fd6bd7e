/** A peer whose process is killed in the middle of a call says no goodbye; the call learns of it. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as wait } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { CodedError } from '../../src/base/index.ts'
import { startNode } from '../support/cli.ts'
import { eventually, testNode } from '../support/nodes.ts'

const FIXTURE = fileURLToPath(new URL('../support/fixture-server.ts', import.meta.url))
/**
 * Silence, a ping that is not answered, the time for which the peer is asked what became of the
 * call, and room for a machine with other things to do.
 */
const NOTICED_MS = 20_000

for (const kind of ['udp', 'tcp'] as const) {
  test(`a killed peer is noticed over ${kind} before its time is over, and said once`, async () => {
    await using far = await startNode(['--preset=test'])
    const exposed = ['--name=fix', '--detach', '--', process.execPath, FIXTURE]
    const { code, stderr } = await far.p2p('expose', ...exposed)
    assert.equal(code, 0, stderr)
    await using near = await testNode({ bootstrap: { nodes: [far.address(kind)] } })
    const { tools } = near.node
    await eventually(async () => (await tools.find({ tool: 'slow' })).at(0))
    await tools.call('echo', { text: 'there' })

    const call = tools
      .call('slow', { ms: 60_000 }, { timeoutMs: 25_000 })
      .catch((cause: unknown) => cause)
    await wait(500)
    const began = performance.now()
    await far.kill('SIGKILL')
    const error = await call
    assert.ok(error instanceof CodedError, String(error))
    assert.equal(error.code, 'MCP_OUTCOME_UNKNOWN')
    assert.equal((error.facts as { attempts: unknown[] }).attempts.length, 1)
    assert.ok(performance.now() - began < NOTICED_MS, 'well before the deadline')
  })
}
