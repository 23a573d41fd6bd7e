/**
 * The service `p2p_foundation.Node`: the operations of `api.ts`, checked by the same schemas and
 * done by the same routes as over HTTP.
 */

import type {
  handleUnaryCall,
  MethodDefinition,
  ServerWritableStream,
  sendUnaryData,
  UntypedServiceImplementation,
} from '@grpc/grpc-js'
import type { ServiceDefinition } from '@grpc/proto-loader'
import type { Json } from '../wire/index.ts'
import { type Given, type Operation, type OperationName, operations } from './api.ts'
import { ControlError } from './errors.ts'
import { answer, callSink, type GrpcDeps } from './grpc-call.ts'
import { NOT_OVER_GRPC, STREAMS } from './grpc-operations.ts'
import { streamLease, streamOutput } from './grpc-streams.ts'
import { jsonOf, objectOf, type ProtoStruct, type ProtoValue, protoValue } from './grpc-value.ts'
import { createRoutes } from './routes.ts'
import type { ToldEvent } from './sse-sink.ts'

type Message = Readonly<Record<string, unknown>>
type Ask = (given: never, signal: AbortSignal) => Promise<unknown>
type Stream = ServerWritableStream<Message, unknown>

/** One function for each method of the service. */
export function nodeService(
  deps: GrpcDeps,
  definition: ServiceDefinition,
  waitMs: number,
): UntypedServiceImplementation {
  const plain = { ...createRoutes(deps, waitMs), ...probes(deps) } as Record<string, Ask>
  const streams = streamsOf(deps, waitMs)
  const rows = Object.entries(operations) as [OperationName, Operation][]
  const served = rows.filter(([name]) => !NOT_OVER_GRPC.includes(name))
  const methods = served.map(([name, operation]): [string, unknown] => {
    const method = `${name.charAt(0).toUpperCase()}${name.slice(1)}`
    const read = (message: Message) => givenIn(message, operation, definition[method])
    const stream = streams[name]
    if (STREAMS[name] !== undefined && stream !== undefined) {
      const serve = async (call: Stream) => {
        const result = await answer(deps, call, (gone) => stream(read(call.request), call, gone))
        if ('error' in result) call.emit('error', result.error)
        else call.end()
      }
      return [method, (call: Stream) => void serve(call)]
    }
    const serve: handleUnaryCall<Message, unknown> = (call, callback: sendUnaryData<unknown>) => {
      const ask = plain[name]
      const done = answer(deps, call, async (gone) => {
        if (ask === undefined) throw ControlError.ROUTE_UNKNOWN({ method: 'gRPC', path: method })
        const found = await ask(read(call.request), gone)
        return protoValue(operation.response.encode(found))
      })
      void done.then((result) => {
        if ('error' in result) callback(result.error)
        else callback(null, result.value)
      })
    }
    return [method, serve]
  })
  return Object.fromEntries(methods) as UntypedServiceImplementation
}

function probes({ node, registry }: GrpcDeps) {
  return {
    health: async () => node.health(),
    ready: async () => node.health(),
    metrics: async () => (await registry.prometheusText()).body,
  }
}

type Serve = (given: never, call: Stream, gone: AbortSignal) => Promise<void>

function streamsOf(deps: GrpcDeps, waitMs: number): Partial<Record<OperationName, Serve>> {
  return {
    async events(_given, call, gone) {
      const open = () =>
        callSink<ToldEvent, unknown>(call, {
          messageOf: ({ event }) => protoValue(event),
          lagged: (missed) => protoValue({ event: 'lagged', missed }),
          bytesOf: ({ json }) => json.length,
        })
      await deps.feed.serve(open, gone)
    },
    exposeAttached: (spec: Given<'exposeAttached'>, call, gone) => {
      return streamLease(deps, { spec, call, gone })
    },
    callOutput: (given: Given<'callOutput'>, call, gone) => {
      return streamOutput(deps, { given, call, gone, waitMs })
    },
  }
}

/** What a caller sent, as the operation takes it. */
function givenIn(
  message: Message,
  operation: Operation,
  method: MethodDefinition<object, object> | undefined,
): never {
  const json = jsonIn(message, method)
  const { params, query, body } = operation
  const parts = Object.entries({ params, query, body }).map(([part, schema]) => {
    return schema === undefined ? {} : checked(json, schema, part)
  })
  return Object.assign({}, ...parts) as never
}

type Schema = NonNullable<Operation['body']>

function checked(json: Readonly<Record<string, Json>>, schema: Schema, part: string): object {
  const own = Object.entries(json).filter(([name]) => name in schema.shape)
  const { data, error } = schema.safeParse(Object.fromEntries(own))
  if (data !== undefined) return data
  const problems = error.issues.map(({ path, message }) => [path.join('.'), message].join(': '))
  throw ControlError.REQUEST_INVALID({ part, problems }, error)
}

/** The message with what is any JSON in it taken out of its wrapping. */
function jsonIn(
  message: Message,
  method: MethodDefinition<object, object> | undefined,
): Record<string, Json> {
  const wrapped = new Map(fieldsOf(method).map(({ name, typeName }) => [name, typeName]))
  return Object.fromEntries(
    Object.entries(message).map(([name, value]): [string, Json] => {
      const type = wrapped.get(name)?.replace(/^\./, '')
      if (type === 'google.protobuf.Value') return [name, jsonOf(value as ProtoValue, name)]
      if (type === 'google.protobuf.Struct') return [name, objectOf(value as ProtoStruct, name)]
      return [name, value as Json]
    }),
  )
}

interface Field {
  readonly name: string
  readonly typeName: string
}

/** The fields of a request, as the library describes them. */
function fieldsOf(method: MethodDefinition<object, object> | undefined): readonly Field[] {
  const described = method as unknown as {
    readonly requestType?: { readonly type?: { readonly field?: readonly Field[] } }
  }
  return described.requestType?.type?.field ?? []
}
