/**
 * The first version of the descriptor, which nodes of version 0.1 wrote; it is only read.
 *
 *   v (1) · service · peer · version · tools, each {name, description, idempotent, readOnly} ·
 *   toolCount · schemaHash · endpoints
 */

import { equalBytes, utf8 } from '../base/index.ts'
import { isJsonObject, type Json, type JsonObject } from '../wire/index.ts'
import type { DescribedTool, Descriptor } from './descriptor.ts'
import {
  checkToolCount,
  commonIn,
  DESCRIPTOR_TOOLS_MAX,
  descriptionIn,
  invalid,
  isToolName,
  listIn,
  NONE_LISTED,
  textIn,
} from './descriptor-fields.ts'

export function decodeDescriptorV1(fields: JsonObject, bytes: Uint8Array): Descriptor {
  const common = commonIn(fields)
  const tools = listIn(fields, 'tools', DESCRIPTOR_TOOLS_MAX).map(readTool)
  checkToolCount(tools, common.toolCount)
  const { service, peer, version, toolCount, schemaHash, endpoints } = common
  const plain = tools.map(({ name, description, idempotent, readOnly }) => {
    return { name, description, idempotent, readOnly }
  })
  const ordered = { v: 1, service, peer, version, tools: plain, toolCount, schemaHash, endpoints }
  if (!equalBytes(utf8(JSON.stringify(ordered)), bytes)) {
    throw invalid('another form than the canonical one')
  }
  const unsaid = { expires: 0, tags: [], price: null, load: null }
  return { ...common, ...unsaid, tools, resources: NONE_LISTED, prompts: NONE_LISTED }
}

function readTool(value: Json): DescribedTool {
  if (!isJsonObject(value)) throw invalid('a tool that is no object')
  const name = textIn(value, 'name', isToolName)
  const description = descriptionIn(value.description)
  const { idempotent, readOnly } = value
  if (typeof idempotent !== 'boolean' || typeof readOnly !== 'boolean') {
    throw invalid(`hints of the tool "${name}" that are no booleans`)
  }
  return { name, description, idempotent, readOnly, hash: '', args: null }
}
