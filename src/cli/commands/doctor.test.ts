import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ALICE, setup } from '../../../test/support/cli-context.ts'
import { coded } from '../../../test/support/expect.ts'
import { SERVED_STATUS } from '../../../test/support/served-node.ts'
import { CodedError } from '../../base/index.ts'
import type { Probes } from '../probes.ts'
import type { NodeClient } from '../rooms.ts'
import { doctor } from './doctor.ts'

const sound: Probes = {
  nodeVersion: () => '26.10.0',
  folder: async (path) => ({ path, exists: true, writable: true, mode: 0o700, freeBytes: 1e10 }),
  key: async () => ({ state: 'sound', peerId: ALICE }),
  ports: async () => [{ port: 9000, kind: 'tcp', use: 'peers over TCP', free: false }],
  ipv6: async () => ({ addresses: ['2a01:4f8::1'], hasRoute: true }),
  lock: async () => ({ held: false, pid: undefined }),
  clock: async () => ({ nowMs: 1.8e12, synchronised: true, writtenMs: undefined }),
  multicast: async () => ({ IPv4: undefined, IPv6: undefined }),
}
type Status = Awaited<ReturnType<NodeClient['status']>>
type Report = { ok: boolean; checks: { check: string; verdict: string; found: string }[] }

function visiting(probes: Partial<Probes>, node?: Partial<NodeClient>, json = true) {
  const rooms = {
    probes: { ...sound, ...probes },
    quic: async () => ({ state: 'active' }) as const,
    portHolder: async () => 'nginx (pid 7)',
    loadConfig: async () => ({ file: undefined, toml: '', notices: [] }),
  }
  const made = setup({ rooms, json, ...(node && { node }) })
  return { ...made, report: () => made.printed() as Report }
}

test('doctor passes a sound machine; a busy port is only a warning', async () => {
  const { context, report } = visiting({})
  await doctor.run(context)
  const { ok, checks } = report()
  assert.equal(ok, true)
  assert.deepEqual(
    checks.filter(({ verdict }) => verdict !== 'ok').map(({ check }) => check),
    ['Port 9000/tcp'],
  )
})

test('doctor does not ask for the ports of a running node, but for its health', async () => {
  const health = { status: 'degraded', reasons: ['no peers'], alive: true, ready: true } as const
  const node = { status: async (): Promise<Status> => ({ ...SERVED_STATUS, health }) }
  const { context, report, seen } = visiting({ ports: () => assert.fail('they are its own') }, node)
  await doctor.run(context)
  const last = report().checks.at(-1)
  assert.deepEqual([last?.verdict, last?.found], ['warn', 'degraded; no peers'])
  assert.equal(seen.closed, 1)
})

test('doctor fails with what is not in order, after all has been printed', async () => {
  const { context, report } = visiting({
    key: async () => ({ state: 'unusable', why: 'mode 644' }),
  })
  await assert.rejects(doctor.run(context), coded('CLI_DOCTOR_FAILED'))
  assert.equal(report().ok, false)
  assert.equal(report().checks.find(({ check }) => check === 'Key')?.verdict, 'failed')
})

test('doctor finds a node that answers nothing sensible, and goes on', async () => {
  const odd = new CodedError('CONTROL_ANSWER_MALFORMED', {}, { says: () => 'odd answer' })
  const { context, report } = visiting({}, { status: () => Promise.reject(odd) })
  await assert.rejects(doctor.run(context), coded('CLI_DOCTOR_FAILED'))
  assert.match(report().checks.at(-1)?.found ?? '', /odd answer/)
})

test('doctor prints a line and a remedy for a person', async () => {
  const { context, stdout } = visiting({}, undefined, false)
  await doctor.run(context)
  assert.match(stdout.text, /^ok {6}Node\.js +26\.10\.0\n/)
  assert.match(
    stdout.text,
    /warn {4}Port 9000\/tcp +nginx \(pid 7\) .*\n +→ A start takes the next free port/,
  )
})

test('doctor says what a start would say of the configuration', async () => {
  const problem = new CodedError('NODE_CONFIG_INVALID', {}, { says: () => 'Cannot use dht.k' })
  const { context, report } = visiting({})
  const loadConfig = () => Promise.reject(problem)
  const rooms = { ...context.rooms, probes: sound, quic: context.rooms.quic, loadConfig }
  await assert.rejects(doctor.run({ ...context, rooms }), coded('CLI_DOCTOR_FAILED'))
  const found = report().checks.find(({ check }) => check === 'Configuration')
  assert.deepEqual([found?.verdict, found?.found], ['failed', 'Cannot use dht.k'])
})
