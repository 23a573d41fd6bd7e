/**
 * Writes `src/control/node.proto` from the table of operations: `node scripts/node-proto.ts`.
 *
 * A number that a field has is its own for good: what is in the file keeps its number, what is new
 * gets the next, and what is gone leaves its number reserved. So the file that is there is read
 * before it is written, and is no less a source than the table.
 */

import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { z } from 'zod'
import { type Operation, operations } from '../src/control/api.ts'
import { NOT_OVER_GRPC, STREAMS } from '../src/control/grpc-operations.ts'
import { ROOT } from './reference/modules.ts'

export const NODE_PROTO = join(ROOT, 'src', 'control', 'node.proto')

const HEAD = `// Made by \`node scripts/node-proto.ts\` from the operations of api.ts; a field keeps its number.
// Requests are typed. An answer is the JSON document that the HTTP API gives, as a Value.

syntax = "proto3";

package p2p_foundation;

import "google/protobuf/struct.proto";
`

const OUTPUT = `// The first part is \`head\`; the rest are the bytes of the result, as many as it says.
message OutputPart {
  oneof part {
    OutputHead head = 1;
    bytes data = 2;
  }
}

message OutputHead {
  // Whose result it is.
  string peer = 1;
  int64 bytes = 2;
  // Of all of \`data\`, in hexadecimal.
  string sha256 = 3;
  bool isError = 4;
}
`

/** The file as it should be, given the one that is there. */
export function nodeProto(before: string): string {
  const rows = (Object.entries(operations) as [string, Operation][]).filter(([name]) => {
    return !NOT_OVER_GRPC.includes(name)
  })
  const methods = rows.map(([name, { summary }]) => {
    const rpc = pascal(name)
    const answer = STREAMS[name] ?? 'google.protobuf.Value'
    return `  // ${summary}.\n  rpc ${rpc}(${rpc}Request) returns (${answer});`
  })
  const messages = rows.map(([name, operation]) =>
    message(`${pascal(name)}Request`, operation, before),
  )
  return [HEAD, `service Node {\n${methods.join('\n')}\n}\n`, OUTPUT, ...messages].join('\n')
}

function message(name: string, operation: Operation, before: string): string {
  const known = numbersIn(before, name)
  const fields = fieldsOf(operation)
  let next = Math.max(0, ...known.taken) + 1
  const lines = fields.map(({ field, type, about }) => {
    const number = known.fields.get(field) ?? next++
    return `${about === '' ? '' : `  // ${about}.\n`}  ${type} ${field} = ${number};`
  })
  const here = new Set(fields.map(({ field }) => known.fields.get(field)))
  const gone = known.taken.filter((number) => !here.has(number))
  if (gone.length > 0) lines.unshift(`  reserved ${gone.sort((a, b) => a - b).join(', ')};`)
  return lines.length === 0 ? `message ${name} {}\n` : `message ${name} {\n${lines.join('\n')}\n}\n`
}

/** The numbers that the fields of a message have, and every number that is or was taken. */
function numbersIn(text: string, name: string) {
  const body = new RegExp(`^message ${name} \\{\\n([\\s\\S]*?)^\\}`, 'm').exec(text)?.[1] ?? ''
  const found = [...body.matchAll(/^ {2}[\w. ]+ (\w+) = (\d+);$/gm)]
  const fields = new Map(found.map(([, field = '', number]) => [field, Number(number)]))
  const reserved = /^ {2}reserved ([\d, ]+);$/m.exec(body)?.[1]?.split(', ').map(Number) ?? []
  return { fields, taken: [...fields.values(), ...reserved] }
}

interface Property {
  readonly type?: string
  readonly description?: string
  readonly items?: { readonly type?: string }
}

function fieldsOf({ params, query, body }: Operation) {
  return [params, query, body].flatMap((schema) => {
    if (schema === undefined) return []
    const { properties = {} } = z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' })
    return Object.entries(properties).map(([field, property]) => {
      const { description = '' } = property as Property
      return { field, type: typeOf(property as Property), about: description }
    })
  })
}

/** What is no scalar and no list of texts is any JSON; the node checks it as at the HTTP door. */
function typeOf({ type, items }: Property): string {
  if (type === 'string') return 'optional string'
  if (type === 'integer') return 'optional int64'
  if (type === 'number') return 'optional double'
  if (type === 'boolean') return 'optional bool'
  if (type === 'array' && items?.type === 'string') return 'repeated string'
  return type === 'object' ? 'google.protobuf.Struct' : 'google.protobuf.Value'
}

function pascal(name: string): string {
  return `${name.charAt(0).toUpperCase()}${name.slice(1)}`
}

/** What is there; nothing where there is none yet. */
export function writtenProto(): string {
  try {
    return readFileSync(NODE_PROTO, 'utf8')
  } catch {
    return ''
  }
}

if (import.meta.main) writeFileSync(NODE_PROTO, nodeProto(writtenProto()))
