import assert from 'node:assert/strict'
import { test } from 'node:test'
import { coded } from '../../test/support/expect.ts'
import { fixtureSpec } from '../../test/support/mcp-fixture.ts'
import { Registry, seededRandom, silentLog, systemClock } from '../base/index.ts'
import { mcpConfig } from './config.ts'
import { HostedService } from './hosted-service.ts'
import { mcpMetrics } from './metrics.ts'

test('callTool() gives a call the time it asks for, more or less than usual', async () => {
  const deps = {
    clock: systemClock,
    random: seededRandom('hosted'),
    log: silentLog,
    metrics: mcpMetrics(new Registry()),
    changed: () => {},
  }
  const config = mcpConfig.parse({ requestTimeoutMs: 300 })
  const service = new HostedService({ spec: fixtureSpec('fix'), detached: false }, deps, config)
  await service.start()
  const slow = (ms: number, options = {}) => service.callTool('slow', { ms }, options)
  await assert.rejects(slow(60_000), coded('MCP_SERVICE_FAILED'))
  await assert.rejects(slow(60_000, { timeoutMs: 100 }), /100 ms/)
  assert.ok((await slow(600, { timeoutMs: 30_000 })).content.length > 0)
  await service.stop()
})
