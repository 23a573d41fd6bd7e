/** The control server over a fake node, on real loopback ports that the system chose. */

import { request as send } from 'node:http'
import {
  type Clock,
  type Logger,
  Registry,
  seededRandom,
  silentLog,
  systemClock,
} from '../../src/base/index.ts'
import { ControlServer, type McpFace, type ServedNode } from '../../src/control/index.ts'
import { type FakeNode, fakeNode } from './served-node.ts'

export const TOKEN = 'x'.repeat(43)

export interface ControlFixture extends AsyncDisposable, FakeNode {
  readonly server: ControlServer
  readonly api: string
  readonly mcp: string
  readonly registry: Registry
}

interface Options {
  readonly over?: Partial<ServedNode>
  readonly face?: McpFace | null
  readonly clock?: Clock
  readonly log?: Logger
}

const EMPTY_FACE: McpFace = {
  async handle(_request, response, body) {
    response.writeHead(200, { 'content-type': 'application/json' })
    response.end(JSON.stringify({ got: body ?? null }))
  },
}

export async function startControl(options: Options = {}): Promise<ControlFixture> {
  const { over = {}, face = EMPTY_FACE, clock = systemClock, log = silentLog } = options
  const fake = fakeNode(over)
  const registry = new Registry()
  registry.counter('p2p_test', 'A counter of the test').add(3)
  const server = new ControlServer(
    {
      node: fake.node,
      registry,
      version: '0.1.0',
      clock,
      log,
      token: TOKEN,
      mcp: face,
      random: seededRandom('control'),
    },
    {
      apiAddress: '127.0.0.1:0',
      mcpAddress: '127.0.0.1:0',
      exposeBeyondLoopback: false,
      mcpExposeBeyondLoopback: false,
      operationTimeoutMs: 5_000,
    },
  )
  await server.start()
  return {
    ...fake,
    server,
    registry,
    api: server.apiUrl ?? '',
    mcp: server.mcpUrl ?? '',
    [Symbol.asyncDispose]: () => server.stop(),
  }
}

export interface Reply {
  readonly status: number
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  readonly text: string
  readonly json: unknown
}

interface Asked {
  readonly method?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string
  readonly token?: string | null
}

/** One request exactly as described; the token goes along unless it is null. */
export async function ask(url: string, asked: Asked = {}): Promise<Reply> {
  const { method = 'GET', headers = {}, body, token = TOKEN } = asked
  const { promise, resolve, reject } = Promise.withResolvers<Reply>()
  const request = send(
    url,
    {
      method,
      agent: false,
      headers: {
        ...(token === null ? {} : { authorization: `Bearer ${token}` }),
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...headers,
      },
    },
    (response) => {
      let text = ''
      response.setEncoding('utf8')
      response.on('data', (chunk: string) => {
        text += chunk
      })
      response.on('error', reject)
      response.on('end', () => {
        const { statusCode: status = 0, headers: got } = response
        resolve({ status, headers: got, text, json: jsonOf(text) })
      })
    },
  )
  request.on('error', reject)
  request.end(body)
  return promise
}

/** The code of an error answer, or undefined. */
export function codeOf({ json }: Reply): string | undefined {
  return (json as { error?: { code?: string } } | undefined)?.error?.code
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
