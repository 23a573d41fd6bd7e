/**
 * Long answers that this process wrote and reads itself, on their way from a tool of its own to the
 * stream of a peer: what they say is known, and is not read a second time. Texts alone, in which
 * there is nothing to judge; whoever they are for judges them anew.
 */

import { isJsonObject, type JsonObject } from '../wire/index.ts'

const SAID = new WeakMap<Uint8Array, JsonObject>()

/** `frame` is `message` as JSON; says nothing of what is not an answer made of texts. */
export function noteOwn(frame: Uint8Array, message: object): void {
  const { id, jsonrpc, result } = message as JsonObject
  if (id === undefined || jsonrpc !== '2.0' || !isJsonObject(result)) return
  const { content, structuredContent } = result
  if (structuredContent !== undefined || !Array.isArray(content)) return
  const isText = (block: unknown) => isJsonObject(block) && block.type === 'text'
  if (content.every(isText)) SAID.set(frame, message as JsonObject)
}

/** What an own frame says; undefined for all others. */
export function ownMessage(frame: Uint8Array): JsonObject | undefined {
  return SAID.get(frame)
}
