/** A gRPC server over a fake node, and a client of the library for it. */

import { Client, credentials, Metadata, type ServiceError, type status } from '@grpc/grpc-js'
import type { PackageDefinition, ServiceDefinition } from '@grpc/proto-loader'
import {
  type Clock,
  type Logger,
  Registry,
  seededRandom,
  silentLog,
  systemClock,
} from '../../src/base/index.ts'
import { EventFeed } from '../../src/control/event-feed.ts'
import { type GrpcConfig, GrpcServer, protos } from '../../src/control/grpc.ts'
import type { ServedAgent } from '../../src/control/served-agent.ts'
import type { ServedNode } from '../../src/control/served-node.ts'
import { TOKEN } from './control.ts'
import { type FakeNode, fakeNode } from './served-node.ts'

export interface GrpcFixture extends AsyncDisposable, FakeNode {
  readonly server: GrpcServer
  readonly address: string
  readonly client: GrpcClient
  readonly stopped: () => number
}

interface Options {
  readonly over?: Partial<ServedNode>
  readonly agent?: ServedAgent | null
  readonly clock?: Clock
  readonly log?: Logger
  readonly config?: Partial<GrpcConfig>
  readonly stops?: boolean
}

export async function startGrpc(options: Options = {}): Promise<GrpcFixture> {
  const { over = {}, agent = null, clock = systemClock, log = silentLog, config = {} } = options
  const fake = fakeNode(over)
  const registry = new Registry()
  registry.counter('p2p_test', 'A counter of the test').add(3)
  const feed = new EventFeed({ node: fake.node, clock, notices: () => [] })
  await feed.start()
  let stops = 0
  const server = new GrpcServer(
    {
      node: fake.node,
      registry,
      version: '0.1.0',
      token: TOKEN,
      feed,
      clock,
      log,
      random: seededRandom('grpc'),
      agent: () => agent,
      ...(options.stops !== false && {
        stopNode: () => {
          stops += 1
        },
      }),
    },
    { address: '127.0.0.1:0', operationTimeoutMs: 5_000, ...config },
  )
  await server.start()
  const address = server.address ?? ''
  const client = new GrpcClient(address)
  return {
    ...fake,
    server,
    address,
    client,
    stopped: () => stops,
    async [Symbol.asyncDispose]() {
      client.close()
      await feed.stop()
      await server.stop()
    },
  }
}

type Sent = Readonly<Record<string, unknown>>

/** What a call came to, as a client sees it. */
export interface Failure {
  readonly status: status
  readonly code: string | undefined
  readonly details: string
}

/** Calls methods by name, and reads any JSON in the answers. */
export class GrpcClient {
  readonly #client: Client
  readonly #known: PackageDefinition = protos()
  readonly #token: string | null

  constructor(
    address: string,
    { token = TOKEN, root }: { token?: string | null; root?: Buffer } = {},
  ) {
    const how = root === undefined ? credentials.createInsecure() : credentials.createSsl(root)
    this.#client = new Client(address, how)
    this.#token = token
  }

  async call(path: string, message: Sent = {}, { deadlineMs = 10_000 } = {}): Promise<unknown> {
    const { requestSerialize, responseDeserialize } = this.#method(path)
    const { promise, resolve, reject } = Promise.withResolvers<unknown>()
    const done = (error: ServiceError | null, answer?: unknown) => {
      if (error === null) resolve(answer)
      else reject(error)
    }
    const metadata = this.#metadata()
    this.#client.makeUnaryRequest(
      `/${path}`,
      (given: Sent) => requestSerialize(given),
      (bytes) => responseDeserialize(bytes),
      message,
      metadata,
      { deadline: Date.now() + deadlineMs },
      done,
    )
    return await promise
  }

  /** The answer of an operation, as JSON. */
  async ask(name: string, message: Sent = {}): Promise<unknown> {
    return jsonIn(await this.call(`p2p_foundation.Node/${name}`, message))
  }

  stream(path: string, message: Sent = {}) {
    const { requestSerialize, responseDeserialize } = this.#method(path)
    return this.#client.makeServerStreamRequest(
      `/${path}`,
      (given: Sent) => requestSerialize(given),
      (bytes) => responseDeserialize(bytes) as Sent,
      message,
      this.#metadata(),
      { deadline: Date.now() + 30_000 },
    )
  }

  async fails(path: string, message: Sent = {}, limits = {}): Promise<Failure> {
    try {
      const answer = await this.call(path, message, limits)
      throw new Error(`answered ${JSON.stringify(answer)}`)
    } catch (error) {
      return failureOf(error)
    }
  }

  close(): void {
    this.#client.close()
  }

  #metadata(): Metadata {
    const metadata = new Metadata()
    if (this.#token !== null) metadata.set('authorization', `Bearer ${this.#token}`)
    return metadata
  }

  #method(path: string) {
    const [service = '', name = ''] = path.split('/')
    const method = (this.#known[service] as ServiceDefinition | undefined)?.[name]
    if (method === undefined) throw new Error(`no method ${path}`)
    return method
  }
}

export function failureOf(error: unknown): Failure {
  const { code, details, metadata } = error as ServiceError
  return { status: code, code: metadata.get('p2p-error-code')[0]?.toString(), details }
}

interface Value {
  readonly structValue?: { readonly fields?: Readonly<Record<string, Value>> }
  readonly listValue?: { readonly values?: readonly Value[] }
  readonly nullValue?: string
  readonly stringValue?: string
  readonly numberValue?: number
  readonly boolValue?: boolean
}

/** A `google.protobuf.Value` as JSON, by a reader that is not ours. */
export function jsonIn(message: unknown): unknown {
  const { structValue, listValue, nullValue, ...rest } = message as Value
  if (structValue !== undefined) {
    const entries = Object.entries(structValue.fields ?? {})
    return Object.fromEntries(entries.map(([name, value]) => [name, jsonIn(value)]))
  }
  if (listValue !== undefined) return (listValue.values ?? []).map(jsonIn)
  return nullValue !== undefined ? null : Object.values(rest)[0]
}
