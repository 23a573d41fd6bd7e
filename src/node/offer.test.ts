import assert from 'node:assert/strict'
import { test } from 'node:test'
import { coded } from '../../test/support/expect.ts'
import { Emitter } from '../base/index.ts'
import { McpError, type McpEvents, type ServiceStatus, tool, z } from '../mcp/index.ts'
import { offer, type ServerSpec } from './offer.ts'

const tools = [tool('t', { input: z.object({}) }, () => 1)]

const unknownService = () => McpError.SERVICE_UNKNOWN({ service: 'a', known: 0 })

function setup() {
  const events = new Emitter<McpEvents>(() => undefined)
  const calls: unknown[][] = []
  const status = (name: string) => ({ name }) as ServiceStatus
  const services = {
    events,
    exposeTools: (name: string, given: unknown) => {
      calls.push(['tools', name, given])
      return status(name)
    },
    expose: async (spec: { name: string }, options: unknown) => {
      calls.push(['server', spec, options])
      return status(spec.name)
    },
    unexpose: async (name: string) => void calls.push(['withdrawn', name]),
  }
  const now = (...names: string[]) =>
    events.emit('servicesChanged', { services: names.map(status) })
  return { services, calls, now }
}

test('what somebody else withdraws at the same moment is withdrawn', async () => {
  const { services } = setup()
  const gone = { ...services, unexpose: async () => Promise.reject(unknownService()) }
  await (await offer(gone, 'a', { what: tools })).withdraw()
  const broken = { ...services, unexpose: async () => Promise.reject(new RangeError('disk')) }
  await assert.rejects((await offer(broken, 'a', { what: tools })).withdraw(), /disk/)
})

test('tools, commands and URLs are offered under a name, and withdrawn once', async () => {
  const { services, calls } = setup()
  const exposed = await offer(services, 'a', { what: tools })
  await offer(services, 'b', { what: { command: 'x', args: ['y'], cwd: '/', env: { A: '1' } } })
  await offer(services, 'c', { what: { url: 'http://127.0.0.1:1/mcp' } })
  assert.equal(exposed.name, 'a')
  await exposed.withdraw()
  await exposed[Symbol.asyncDispose]()
  const stdio = { kind: 'stdio', command: 'x', args: ['y'], cwd: '/', env: { A: '1' } }
  const http = { kind: 'http', url: 'http://127.0.0.1:1/mcp' }
  assert.deepEqual(calls, [
    ['tools', 'a', tools],
    ['server', { name: 'b', source: stdio }, { detached: false }],
    ['server', { name: 'c', source: http }, { detached: false }],
    ['withdrawn', 'a'],
  ])
})

test('a name that somebody else withdrew is no more ours, whoever has it then', async () => {
  const { services, calls, now } = setup()
  const exposed = await offer(services, 'a', { what: tools })
  now('a', 'b')
  now('b')
  now('a', 'b')
  await exposed.withdraw()
  assert.equal(calls.length, 1)
})

test('what is nothing to offer is refused with the name; so is everything once given up', async () => {
  const { services, calls } = setup()
  for (const wrong of [null, undefined, 'tool', 7, {}]) {
    const offered = offer(services, 'a', { what: wrong as ServerSpec })
    await assert.rejects(offered, coded('NODE_OFFER_INVALID'))
  }
  const signal = AbortSignal.abort(new RangeError('enough'))
  await assert.rejects(offer(services, 'a', { what: tools, signal }), /enough/)
  assert.deepEqual(calls, [])
})
