import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FakeServices, testService, testTool } from '../../test/support/mcp-directory.ts'
import { OTHER, ToolLabels } from './tool-labels.ts'

test('of() names the tools of this node, and nothing that only a peer named', () => {
  const services = new FakeServices()
  const labels = new ToolLabels(services)
  assert.equal(labels.of('echo'), OTHER)
  services.set(testService('fix', [testTool('echo')]))
  assert.equal(labels.of('echo'), 'echo')
  assert.equal(labels.of('made-up'), OTHER)
  assert.equal(labels.of(undefined), OTHER)
})

test('of() has no more than 64 names, whatever comes and goes', () => {
  const services = new FakeServices()
  const labels = new ToolLabels(services)
  const seen = new Set<string>()
  for (let i = 0; i < 200; i += 1) {
    services.set(testService('fix', [testTool(`t${i}`)]))
    seen.add(labels.of(`t${i}`))
  }
  assert.equal(seen.size, 65)
})
