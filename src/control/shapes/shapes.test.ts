/** Compiles only while the API's schemas have the keys and the types of the rooms' own shapes. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { z } from 'zod'
import type {
  CallResult,
  ServiceSpec,
  ServiceStatus,
  ToolEntry,
  ToolInfo,
  ToolResult,
} from '../../mcp/index.ts'
import type {
  ClaimReport,
  GetReport,
  HealthReport,
  NameReport,
  PeerStatus,
  PutReport,
  RunFile,
} from '../../node/index.ts'
import type { ServedStatus } from '../served-node.ts'
import type * as shapes from './api.ts'
import type * as names from './names/api.ts'
import type * as tools from './tools/api.ts'

/** True when what a room gives is accepted, and neither side has a key that the other lacks. */
type Same<Shape, Schema extends z.ZodType> =
  Shape extends z.input<Schema>
    ? [keyof Shape, keyof z.output<Schema>] extends [keyof z.output<Schema>, keyof Shape]
      ? true
      : false
    : false

const agreed: {
  health: Same<HealthReport, typeof shapes.health>
  status: Same<ServedStatus, typeof shapes.servedStatus>
  peer: Same<PeerStatus, typeof shapes.peerStatus>
  put: Same<PutReport, typeof shapes.putReport>
  get: Same<GetReport & { encoding: 'text' | 'base64' }, typeof shapes.getReport>
  claim: Same<ClaimReport, typeof names.claimReport>
  name: Same<NameReport, typeof names.nameReport>
  run: Same<RunFile, typeof shapes.runFile>
  tool: Same<ToolInfo, typeof shapes.toolInfo>
  entry: Same<ToolEntry, typeof tools.toolEntry>
  result: Same<ToolResult, typeof shapes.toolResult>
  call: Same<CallResult, typeof shapes.callResult>
  service: Same<ServiceStatus, typeof shapes.serviceStatus>
  spec: z.output<typeof shapes.spec> extends ServiceSpec ? true : false
} = {
  health: true,
  claim: true,
  name: true,
  status: true,
  peer: true,
  put: true,
  get: true,
  run: true,
  tool: true,
  entry: true,
  result: true,
  call: true,
  service: true,
  spec: true,
}

test('every shape of the API agrees with that of its room', () => {
  assert.ok(Object.values(agreed).every(Boolean))
})
