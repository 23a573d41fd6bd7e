import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Client } from '@modelcontextprotocol/client'
import { serveStdio } from '@modelcontextprotocol/server/stdio'
import { BOB } from '../../test/support/mcp-fixture.ts'
import { Emitter } from '../base/index.ts'
import { aggregateFactory } from './aggregate.ts'
import { ByteBudget } from './byte-budget.ts'
import type { McpEvents } from './events.ts'
import { pipePair } from './pipe.ts'
import { ChannelTransport } from './transport.ts'

test('a tool called through the server of all tools is told which peer calls', async () => {
  const callers: unknown[] = []
  const services = {
    events: new Emitter<McpEvents>(() => undefined),
    list: () => [],
    callTool: async (_service: string, _tool: string, _args: object, options?: object) => {
      callers.push((options as { caller?: unknown }).caller)
      return { content: [] }
    },
  }
  const [outer, inner] = pipePair()
  const budget = new ByteBudget(1e6)
  serveStdio(aggregateFactory({ services, version: '1', peer: BOB }), {
    transport: new ChannelTransport(inner, { budget }),
  })
  const client = new Client({ name: 'test', version: '1' })
  await client.connect(new ChannelTransport(outer, { budget }))
  await client.request({ method: 'tools/call', params: { name: 'calc_add', arguments: {} } })
  assert.deepEqual(callers, [BOB])
  await client.close()
})
