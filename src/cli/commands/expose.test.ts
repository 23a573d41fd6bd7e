import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Setup, setup } from '../../../test/support/cli-context.ts'
import { coded } from '../../../test/support/expect.ts'
import type { LeaseEvent } from '../../control/index.ts'
import type { ServiceSpec, ServiceStatus } from '../../mcp/index.ts'
import { expose } from './expose.ts'

const echo = { name: 'echo', description: 'says it again', inputSchema: {} }
const ready: ServiceStatus = {
  name: 'everything',
  state: 'ready',
  tools: [{ ...echo, idempotent: true, readOnly: true }],
  restarts: 0,
  detached: false,
}
const status = (service: Partial<ServiceStatus>): LeaseEvent => ({
  event: 'status',
  service: { ...ready, ...service },
})

const COMMAND: Setup = {
  args: ['npx', '-y', 'server', 'stdio'],
  options: { name: 'everything' },
  env: { PATH: '/bin', SECRET: 'x' },
}

/** An attached service that reports `events`, then waits for the end or ends by itself. */
function attached(given: Setup, events: readonly LeaseEvent[], ends: 'itself' | 'aborted') {
  const controller = new AbortController()
  const specs: ServiceSpec[] = []
  const node = {
    async *exposeAttached(spec: ServiceSpec) {
      specs.push(spec)
      yield* events
      if (ends === 'itself') return
      controller.abort(new Error('Ctrl-C'))
      throw controller.signal.reason
    },
  }
  return { ...setup({ ...given, node, signal: controller.signal }), specs }
}

test('expose passes the command on with this folder, this PATH and no other variable', async () => {
  const options = { ...COMMAND.options, env: ['KEY=a=b', 'EMPTY='] }
  const { context, specs, seen } = attached({ ...COMMAND, options }, [status({})], 'aborted')
  await expose.run(context)
  const env = { PATH: '/bin', KEY: 'a=b', EMPTY: '' }
  const args = ['-y', 'server', 'stdio']
  assert.deepEqual(specs, [
    { name: 'everything', source: { kind: 'stdio', command: 'npx', args, cwd: '/here', env } },
  ])
  assert.equal(seen.closed, 1)
})

test('expose prints every change of state, and that the service is withdrawn', async () => {
  const events = [status({}), status({ state: 'restarting', restarts: 1, reason: 'it died' })]
  const { context, stdout, stderr } = attached(COMMAND, events, 'aborted')
  await expose.run(context)
  assert.match(stdout.text, /"everything" is ready: 1 tool\./)
  assert.match(stdout.text, /echo +says it again/)
  assert.match(stdout.text, /"everything" is restarting, restarted 1 time: it died/)
  assert.equal(stderr.text, '"everything" is withdrawn.\n')
})

test('expose --json prints one line for each event', async () => {
  const events = [status({}), status({ state: 'restarting' })]
  const { context, stdout } = attached({ ...COMMAND, json: true }, events, 'aborted')
  await expose.run(context)
  const lines = stdout.text.trim().split('\n')
  assert.deepEqual(
    lines.map((line) => JSON.parse(line) as unknown),
    events,
  )
})

test('expose ends well when somebody else withdraws the service', async () => {
  const events = [status({}), { event: 'withdrawn', name: 'everything' } as const]
  const { context, stdout } = attached(COMMAND, events, 'itself')
  await expose.run(context)
  assert.match(stdout.text, /withdrawn by somebody else/)
})

test('expose fails when the node goes away or the service fails for good', async () => {
  const gone = attached(COMMAND, [status({})], 'itself')
  await assert.rejects(expose.run(gone.context), coded('CLI_NODE_GONE'))
  const failed = attached(COMMAND, [status({ state: 'failed', reason: 'exit 1' })], 'aborted')
  await assert.rejects(expose.run(failed.context), coded('CLI_SERVICE_FAILED'))
  assert.equal(failed.seen.closed, 1)
})

test('expose --detach hands the service over and says how to end it', async () => {
  const specs: ServiceSpec[] = []
  const node = {
    async expose(spec: ServiceSpec) {
      specs.push(spec)
      return { ...ready, detached: true }
    },
  }
  const options = { name: 'notes', url: 'https://host/mcp', detach: true }
  const { context, stdout } = setup({ node, options })
  await expose.run(context)
  assert.deepEqual(specs, [{ name: 'notes', source: { kind: 'http', url: 'https://host/mcp' } }])
  assert.match(stdout.text, /It stays until: p2p unexpose everything/)
})

const wrong: readonly Setup[] = [
  { ...COMMAND, options: {} },
  { ...COMMAND, options: { name: 'Every Thing' } },
  { ...COMMAND, options: { name: `a${'b'.repeat(63)}` } },
  { ...COMMAND, options: { name: 'x', url: 'http://host/mcp' } },
  { options: { name: 'x' } },
  { options: { name: 'x', url: 'file:///etc/passwd' } },
  { options: { name: 'x', url: 'nonsense' } },
  { ...COMMAND, options: { name: 'x', env: ['NOVALUE'] } },
  { ...COMMAND, options: { name: 'x', env: ['=x'] } },
]
for (const given of wrong) {
  test(`expose refuses ${JSON.stringify(given.options)} before it connects`, async () => {
    const { context, seen } = setup(given)
    await assert.rejects(expose.run(context), coded('CLI_USAGE'))
    assert.equal(seen.connects, 0)
  })
}
