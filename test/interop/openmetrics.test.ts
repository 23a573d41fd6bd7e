/** Debian's python3-prometheus-client, which nobody here wrote, reads the metrics of a node. */

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { startNode } from '../support/cli.ts'

const FORMS = {
  'application/openmetrics-text; version=1.0.0': 'prometheus_client.openmetrics.parser',
  'text/plain': 'prometheus_client.parser',
}

for (const [accept, module] of Object.entries(FORMS)) {
  test(`${module} reads /metrics`, async () => {
    await using node = await startNode()
    const token = readFileSync(node.ready.tokenFile, 'utf8').trim()
    const headers = { authorization: `Bearer ${token}`, accept }
    const answer = await fetch(new URL('/metrics', node.ready.api), { headers })
    const names = parse(module, await answer.text())
    assert.ok(names.includes('p2p_peers_connected'), names.join(' '))
    assert.ok(names.includes('mcp_request_duration_seconds'), names.join(' '))
  })
}

/** The names of the families that the parser finds in `body`. */
function parse(module: string, body: string): string[] {
  const script = [
    'import sys',
    `from ${module} import text_string_to_metric_families as parse`,
    "print('\\n'.join(family.name for family in parse(sys.stdin.read())))",
  ].join('\n')
  const run = spawnSync('/usr/bin/python3', ['-c', script], { input: body, encoding: 'utf8' })
  const remedy = 'apt-get install python3-prometheus-client'
  assert.equal(run.status, 0, `${remedy}: ${run.stderr || String(run.error)}`)
  return run.stdout.trim().split('\n')
}
