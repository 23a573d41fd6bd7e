/** What a person watches of a node: its status again and again, its events, and the doctor. */

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { type CliNode, errorOf, p2p, start, startNode } from '../support/cli.ts'

const FIXTURE = fileURLToPath(new URL('../support/fixture-server.ts', import.meta.url))

interface Look {
  readonly status: { readonly health: { readonly status: string } }
  readonly perSecond: { readonly bytesIn: number } | null
  readonly peers: readonly {
    readonly peer: string
    readonly transports: readonly string[]
    readonly rttMs: number | null
  }[]
}

/** Runs a command that goes on until it is told to stop, and reads its lines. */
function follow(node: CliNode, words: readonly string[]) {
  const child = start([...words, '--data', node.dataDir])
  assert.ok(child.stdout !== null)
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  return {
    async next(): Promise<string> {
      const timeout = AbortSignal.timeout(20_000)
      const late = once(timeout, 'abort').then(() => assert.fail(`no line of ${words.join(' ')}`))
      const { done, value } = await Promise.race([lines.next(), late])
      assert.notEqual(done, true, `${words.join(' ')} ended`)
      return String(value)
    },
    /** Resolves with the exit code, whether it was told to stop or ends by itself. */
    async ended(): Promise<number | null> {
      if (child.exitCode === null) await once(child, 'exit')
      return child.exitCode
    },
    stop(): Promise<number | null> {
      child.kill('SIGINT')
      return this.ended()
    },
  }
}

test('status --watch --json gives a line each time, with the peer and its round trip', async () => {
  await using first = await startNode()
  await using second = await startNode([`--bootstrap=${first.address()}`])
  const watch = follow(first, ['status', '--watch', '--every', '200ms', '--json'])
  let look = JSON.parse(await watch.next()) as Look
  assert.equal(look.perSecond, null)
  for (let i = 0; i < 50 && typeof look.peers[0]?.rttMs !== 'number'; i += 1) {
    look = JSON.parse(await watch.next()) as Look
  }
  const [peer] = look.peers
  assert.equal(peer?.peer, second.ready.peerId)
  assert.ok(peer.rttMs !== null && peer.rttMs > 0, JSON.stringify(look))
  assert.match(peer.transports.join(), /^(tcp|quic)$/)
  assert.ok(look.perSecond !== null && look.perSecond.bytesIn >= 0)
  assert.equal(await watch.stop(), 0)
})

test('status --watch prints plain lines where no terminal is, and ends with its node', async () => {
  const node = await startNode()
  const watch = follow(node, ['status', '-w', '--every', '200ms'])
  const line = await watch.next()
  assert.match(line, /^\d{4}-\S+Z degraded peers=0 in=0B\/s .*memory=\d+MiB up=\d+s$/)
  await node[Symbol.asyncDispose]()
  assert.equal(await watch.ended(), 4)
})

test('events tells who speaks and how it is, and ends when the node does', async () => {
  const node = await startNode()
  const events = follow(node, ['events', '--json'])
  const first = JSON.parse(await events.next()) as { event: string; peerId: string }
  assert.deepEqual([first.event, first.peerId], ['ready', node.ready.peerId])
  const second = JSON.parse(await events.next()) as { event: string; health: object }
  assert.equal(second.event, 'health-changed')
  assert.match(JSON.stringify(second.health), /no peers/)
  await node[Symbol.asyncDispose]()
  assert.equal(await events.ended(), 4)
})

test('events tells of peers that come, services that are offered and calls that are served', async () => {
  await using node = await startNode()
  const events = follow(node, ['events', '--json'])
  const until = async (name: string) => {
    for (;;) {
      const event = JSON.parse(await events.next()) as Record<string, unknown>
      if (event.event === name) return event
    }
  }
  await until('ready')
  const words = ['expose', '--name', 'fixture', '--detach', '--', process.execPath, FIXTURE]
  assert.equal((await node.p2p(...words)).code, 0)
  assert.equal((await until('service-exposed')).service, 'fixture')
  const peer = await startNode([`--bootstrap=${node.address()}`])
  assert.equal((await until('peer-connected')).peer, peer.ready.peerId)
  for (let i = 0; i < 40; i += 1) {
    if ((await peer.p2p('call', 'echo', '{"text":"swordfish"}')).code === 0) break
  }
  const { tool, code, ms, ...served } = await until('call-served')
  assert.deepEqual([tool, code, served.peer], ['echo', 'ok', peer.ready.peerId])
  assert.ok(typeof ms === 'number' && ms >= 0)
  assert.doesNotMatch(JSON.stringify(served), /swordfish/)
  await peer[Symbol.asyncDispose]()
  assert.equal((await until('peer-disconnected')).peer, peer.ready.peerId)
  assert.equal((await node.p2p('unexpose', 'fixture')).code, 0)
  assert.equal((await until('service-withdrawn')).service, 'fixture')
  assert.equal(await events.stop(), 0)
})

interface Report {
  readonly ok: boolean
  readonly checks: readonly { readonly check: string; readonly verdict: string }[]
}

test('the doctor sees a node that runs, one that crashed, and a wrong configuration', async () => {
  const node = await startNode()
  const verdictOf = ({ checks }: Report, name: string) =>
    checks.find(({ check }) => check === name)?.verdict
  const healthy = (await node.json('doctor')) as Report
  assert.equal(healthy.ok, true)
  assert.deepEqual(
    ['Lock', 'Configuration', 'Clock', 'Node'].map((name) => verdictOf(healthy, name)),
    ['ok', 'ok', 'ok', 'warn'],
  )
  await node.kill('SIGKILL')
  const crashed = (await node.json('doctor')) as Report
  assert.deepEqual([verdictOf(crashed, 'Lock'), verdictOf(crashed, 'Node')], ['warn', 'ok'])
  await writeFile(join(node.dataDir, 'config.toml'), '[dht]\nkk = 3\n')
  const wrong = await node.p2p('doctor', '--json')
  assert.equal(wrong.code, 3)
  assert.equal(verdictOf(JSON.parse(wrong.stdout) as Report, 'Configuration'), 'failed')
  assert.equal(errorOf(wrong).code, 'CLI_DOCTOR_FAILED')
  await rm(node.dataDir, { recursive: true })
})

test('the command line tells a program on the port of a crashed node nothing', async () => {
  const dataDir = await mkdtemp(join(tmpdir(), 'p2p-stale-'))
  const node = await startNode([], { dataDir })
  await node.kill('SIGKILL')
  assert.ok(existsSync(join(dataDir, 'node.json')))
  const token = (await readFile(join(dataDir, 'api.token'), 'utf8')).trim()
  const heard: string[] = []
  const impostor = createServer((request, response) => {
    heard.push(`${request.method} ${request.url} ${JSON.stringify(request.headers)}`)
    response.end(JSON.stringify({ peerId: node.ready.peerId, proof: '0'.repeat(64) }))
  })
  impostor.listen(Number(new URL(node.ready.api).port), '127.0.0.1')
  await once(impostor, 'listening')
  const run = await p2p(['call', 'echo', '{"text":"swordfish"}', '--json', '--data', dataDir])
  impostor.closeAllConnections()
  impostor.close()
  assert.equal(run.code, 4)
  assert.match(errorOf(run).message, /does not know the token/)
  assert.equal(heard.length, 1)
  assert.match(heard[0] ?? '', /^GET \/proof\?nonce=/)
  assert.ok(!heard.join().includes(token) && !heard.join().includes('swordfish'))
  await rm(dataDir, { recursive: true })
})
