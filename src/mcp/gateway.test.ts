import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { PassThrough } from 'node:stream'
import { test } from 'node:test'
import { setTimeout as tick } from 'node:timers/promises'
import {
  Client,
  type ClientOptions,
  StreamableHTTPClientTransport,
  type Transport,
} from '@modelcontextprotocol/client'
import { ReadBuffer, serializeMessage } from '@modelcontextprotocol/server'
import { testTool } from '../../test/support/mcp-directory.ts'
import { silentLog } from '../base/index.ts'
import type { Catalog } from './catalog.ts'
import { McpError } from './errors.ts'
import { createHttpFace, serveStdioFace } from './gateway.ts'

const OPTIONS = { version: '0.1.0', log: silentLog }
const ERAS = { legacy: 'legacy', modern: { pin: '2026-07-28' } } as const
type Mode = NonNullable<ClientOptions['versionNegotiation']>['mode']

/** A catalog with one tool, whose answer depends on what it is asked. */
function fakeCatalog() {
  const watchers = new Set<() => void>()
  const hanging = Promise.withResolvers<void>()
  const cancelled = Promise.withResolvers<void>()
  const catalog: Catalog = {
    list: async () => [testTool('calc_add', { outputSchema: { type: 'object' } })],
    async call(name, args, { signal, onprogress } = {}) {
      if (name !== 'calc_add') throw McpError.CATALOG_UNKNOWN({ name })
      if (args.how === 'fail') throw new RangeError('inside')
      if (args.how === 'hang') {
        signal?.addEventListener('abort', () => cancelled.resolve())
        hanging.resolve()
        await new Promise(() => undefined)
      }
      onprogress?.({ progress: 1, total: 2, message: 'half' })
      return { content: [{ type: 'text', text: '42' }], structuredContent: { sum: 42 } }
    },
    watch(listener) {
      watchers.add(listener)
      return () => watchers.delete(listener)
    },
  }
  return { catalog, hanging: hanging.promise, cancelled: cancelled.promise, watchers }
}

/** The other end of a stdio face, in this process. */
class StreamTransport implements Transport {
  onmessage?: Transport['onmessage']
  onclose?: () => void
  onerror?: (error: Error) => void
  readonly #buffer = new ReadBuffer()
  readonly #input: PassThrough
  readonly #output: PassThrough

  constructor(input: PassThrough, output: PassThrough) {
    this.#input = input
    this.#output = output
  }

  async start(): Promise<void> {
    this.#output.on('data', (chunk: Buffer) => {
      this.#buffer.append(chunk)
      for (let next = this.#buffer.readMessage(); next; next = this.#buffer.readMessage()) {
        this.onmessage?.(next)
      }
    })
  }

  async send(message: Parameters<Transport['send']>[0]): Promise<void> {
    this.#input.write(serializeMessage(message))
  }

  async close(): Promise<void> {
    this.#input.end()
    this.onclose?.()
  }
}

function newClient(mode: Mode): Client {
  const info = { name: 'test', version: '1' }
  return new Client(info, { versionNegotiation: { mode } } as ClientOptions)
}

async function overStdio(catalog: Catalog, mode: Mode) {
  const [input, output] = [new PassThrough(), new PassThrough()]
  const face = serveStdioFace(catalog, { ...OPTIONS, input, output })
  const client = newClient(mode)
  await client.connect(new StreamTransport(input, output))
  return {
    client,
    async [Symbol.asyncDispose]() {
      await client.close()
      await face.done
    },
  }
}

async function overHttp(catalog: Catalog, mode: Mode) {
  const face = createHttpFace(catalog, OPTIONS)
  const server = createServer((request, response) => void face.handle(request, response))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const client = newClient(mode)
  await client.connect(new StreamableHTTPClientTransport(new URL(`http://127.0.0.1:${port}/mcp`)))
  return {
    client,
    async [Symbol.asyncDispose]() {
      await client.close()
      await face.close()
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}

for (const [era, mode] of Object.entries(ERAS)) {
  for (const [how, connect] of Object.entries({ stdio: overStdio, http: overHttp })) {
    const what = `${how}, ${era} era`

    test(`${what}: lists the catalog and says who it is`, async () => {
      await using face = await connect(fakeCatalog().catalog, mode)
      const { client } = face
      assert.equal(client.getProtocolEra(), era)
      assert.deepEqual(client.getServerVersion(), { name: 'p2p-foundation', version: '0.1.0' })
      assert.match(client.getInstructions() ?? '', /never as instructions/)
      const { tools } = await client.listTools()
      assert.deepEqual(
        tools.map(({ name, annotations }) => [name, annotations]),
        [['calc_add', { idempotentHint: true, readOnlyHint: false }]],
      )
    })

    test(`${what}: calls a tool, and hands on its progress`, async () => {
      await using face = await connect(fakeCatalog().catalog, mode)
      const progress: unknown[] = []
      const onprogress = (step: unknown) => progress.push(step)
      const params = { name: 'calc_add', arguments: { a: 2 } }
      const result = await face.client.callTool(params, { onprogress })
      assert.deepEqual(result.content, [{ type: 'text', text: '42' }])
      assert.deepEqual(result.structuredContent, { sum: 42 })
      assert.deepEqual(progress, [{ progress: 1, total: 2, message: 'half' }])
    })

    test(`${what}: an error of ours is an answer that the assistant can read`, async () => {
      await using face = await connect(fakeCatalog().catalog, mode)
      const result = await face.client.callTool({ name: 'nobody', arguments: {} })
      assert.equal(result.isError, true)
      const [text] = result.content as { text: string }[]
      assert.match(text?.text ?? '', /^MCP_CATALOG_UNKNOWN: Cannot call "nobody": /)
    })

    test(`${what}: a mistake of ours tells the assistant nothing but that`, async () => {
      await using face = await connect(fakeCatalog().catalog, mode)
      const params = { name: 'calc_add', arguments: { how: 'fail' } }
      const { isError, content } = await face.client.callTool(params)
      assert.equal(isError, true)
      assert.match(JSON.stringify(content), /MCP_INTERNAL: /)
      assert.doesNotMatch(JSON.stringify(content), /inside/)
    })

    // The older era over HTTP keeps nothing between two requests: there is nothing to cancel by.
    if (how !== 'http' || era !== 'legacy') {
      test(`${what}: what the assistant cancels is cancelled`, async () => {
        const { catalog, hanging, cancelled } = fakeCatalog()
        await using face = await connect(catalog, mode)
        const caller = new AbortController()
        const params = { name: 'calc_add', arguments: { how: 'hang' } }
        const call = face.client.callTool(params, { signal: caller.signal })
        await hanging
        caller.abort()
        await assert.rejects(call)
        await cancelled
      })
    }

    test(`${what}: what the assistant asked for ends when it leaves`, async () => {
      const { catalog, hanging, cancelled } = fakeCatalog()
      await using face = await connect(catalog, mode)
      const call = face.client.callTool({ name: 'calc_add', arguments: { how: 'hang' } })
      call.catch(() => undefined)
      await hanging
      await face.client.close()
      await cancelled
    })
  }
}

for (const [era, mode] of Object.entries(ERAS)) {
  test(`stdio, ${era} era: says when the list has changed, and forgets who left`, async () => {
    const { catalog, watchers } = fakeCatalog()
    const face = await overStdio(catalog, mode)
    const { client } = face
    const told = Promise.withResolvers<void>()
    client.setNotificationHandler('notifications/tools/list_changed', () => told.resolve())
    if (era === 'modern') await client.listen({ toolsListChanged: true })
    for (const watcher of watchers) watcher()
    await told.promise
    await face[Symbol.asyncDispose]()
    assert.equal(watchers.size, 0)
  })
}

test('http, modern era: a subscription hears that the list has changed', async () => {
  const { catalog, watchers } = fakeCatalog()
  await using face = await overHttp(catalog, ERAS.modern)
  const told = Promise.withResolvers<void>()
  face.client.setNotificationHandler('notifications/tools/list_changed', () => told.resolve())
  assert.equal(watchers.size, 0, 'nobody looks for changes that nobody hears of')
  await face.client.listen({ toolsListChanged: true })
  for (const watcher of watchers) watcher()
  await told.promise
})

test('a stdio face ends with its input, also in the middle of a call', async () => {
  const { catalog, hanging } = fakeCatalog()
  const [input, output] = [new PassThrough(), new PassThrough()]
  const face = serveStdioFace(catalog, { ...OPTIONS, input, output })
  const client = newClient('legacy')
  await client.connect(new StreamTransport(input, output))
  const call = client.callTool({ name: 'calc_add', arguments: { how: 'hang' } })
  call.catch(() => undefined)
  await hanging
  input.end()
  await face.done
  await client.close()
})

test('a stdio face ends when it is closed', async () => {
  const [input, output] = [new PassThrough(), new PassThrough()]
  const face = serveStdioFace(fakeCatalog().catalog, { ...OPTIONS, input, output })
  await face.close()
  await face.done
})

test('a stdio face reads on after what is no message, wherever its bytes are cut', async () => {
  const { catalog } = fakeCatalog()
  const [input, output] = [new PassThrough(), new PassThrough()]
  const face = serveStdioFace(catalog, { ...OPTIONS, input, output })
  const told = once(output, 'data')
  const clientInfo = { name: 'é👍', version: '1' }
  const params = { protocolVersion: '2025-11-25', capabilities: {}, clientInfo }
  const whole = `{\n[]\n"x"\n${JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'initialize', params })}\n`
  for (const byte of Buffer.from(whole)) input.write(Buffer.of(byte))
  const [chunk] = (await told) as [Buffer]
  assert.match(chunk.toString(), /"id":1/)
  input.end()
  await face.done
})

test('a stdio face ends at a line above 16 MiB, and holds none of what follows', async () => {
  const { catalog } = fakeCatalog()
  const [input, output] = [new PassThrough(), new PassThrough()]
  const face = serveStdioFace(catalog, { ...OPTIONS, input, output })
  const ended = new AbortController()
  void face.done.then(() => ended.abort())
  const piece = Buffer.alloc(4 << 20, 'x')
  let written = 0
  for (; written < 16 && !ended.signal.aborted; written += 1) {
    if (!input.write(piece)) await Promise.race([once(input, 'drain'), face.done])
  }
  await Promise.race([face.done, tick(20_000, undefined, { ref: false })])
  assert.ok(ended.signal.aborted, 'the face has ended')
  assert.ok(written <= 8, `${written * 4} MiB were read`)
})
