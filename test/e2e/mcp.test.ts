/** `p2p mcp` as an assistant starts it: a process that speaks MCP on its standard streams. */

import assert from 'node:assert/strict'
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { type CliNode, start, startNode } from '../support/cli.ts'

const FIXTURE = fileURLToPath(new URL('../support/fixture-server.ts', import.meta.url))

interface Answer {
  readonly id?: number
  readonly result?: { readonly tools?: readonly { readonly name: string }[] }
}

/** An assistant and its `p2p mcp`, on ports and a data folder of its own unless `dataDir` is given. */
class Assistant implements AsyncDisposable {
  readonly child: ChildProcess
  readonly #answers: AsyncIterator<string>
  #id = 0
  log = ''

  constructor(dataDir: string, bootstrap: string) {
    const env = {
      P2P_NETWORK_MDNS: 'false',
      P2P_NETWORK_LISTEN_ADDRESSES: '/ip4/127.0.0.1/tcp/0',
      P2P_CONTROL_API_ADDRESS: '127.0.0.1:0',
      P2P_MCP_SERVER_ADDRESS: '127.0.0.1:0',
      P2P_BOOTSTRAP_NODES: bootstrap,
    }
    this.child = start(['mcp', '--data', dataDir], { env })
    this.child.stderr?.on('data', (chunk: Buffer) => {
      this.log += chunk.toString()
    })
    assert.ok(this.child.stdout !== null)
    this.#answers = createInterface({ input: this.child.stdout })[Symbol.asyncIterator]()
  }

  async ask(method: string, params: object = {}): Promise<Answer> {
    this.#id += 1
    this.#send({ jsonrpc: '2.0', id: this.#id, method, params })
    for (;;) {
      const line = await this.#answers.next()
      assert.ok(line.done !== true, this.log)
      const answer = JSON.parse(line.value) as Answer
      if (answer.id === this.#id) return answer
    }
  }

  async initialize(): Promise<void> {
    const clientInfo = { name: 'test', version: '1' }
    const head = { protocolVersion: '2025-06-18', capabilities: {}, clientInfo }
    await this.ask('initialize', head)
    this.#send({ jsonrpc: '2.0', method: 'notifications/initialized' })
  }

  async names(): Promise<readonly string[]> {
    const { result } = await this.ask('tools/list')
    return (result?.tools ?? []).map(({ name }) => name)
  }

  #send(message: object): void {
    this.child.stdin?.write(`${JSON.stringify(message)}\n`)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return
    this.child.stdin?.end()
    await once(this.child, 'exit')
  }
}

async function offering(): Promise<CliNode> {
  const node = await startNode()
  const words = ['expose', '--name', 'fixture', '--detach', '--', process.execPath, FIXTURE]
  assert.equal((await node.p2p(...words)).code, 0)
  return node
}

test('a node that p2p mcp starts itself knows its peers’ tools at the first question', async () => {
  await using far = await offering()
  const dataDir = await mkdtemp(join(tmpdir(), 'p2p-mcp-'))
  {
    await using assistant = new Assistant(dataDir, far.address())
    await assistant.initialize()
    const names = await assistant.names()
    const suffix = far.ready.peerId.slice(-6)
    assert.ok(names.includes(`fixture_add_${suffix}`), `${names.join(' ')}\n${assistant.log}`)
  }
  await rm(dataDir, { recursive: true })
})

test('two assistants that begin together share one node', async () => {
  await using far = await offering()
  const dataDir = await mkdtemp(join(tmpdir(), 'p2p-mcp-'))
  {
    await using one = new Assistant(dataDir, far.address())
    await using two = new Assistant(dataDir, far.address())
    await Promise.all([one.initialize(), two.initialize()])
    for (const names of await Promise.all([one.names(), two.names()])) {
      assert.ok(names.length > 0, `${one.log}\n${two.log}`)
    }
  }
  await rm(dataDir, { recursive: true })
})
