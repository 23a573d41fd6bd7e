/** One tool call over an SDK client, and what its failure means. */

import type { Client, ProgressCallback } from '@modelcontextprotocol/client'
import { isJsonObject, type JsonObject } from '../wire/index.ts'
import { cleanText } from './clean-text.ts'
import { type Refusal, readRefusal } from './protocol.ts'
import { clientSdk } from './sdk.ts'
import type { ToolArgs, ToolResult } from './tool.ts'

const MESSAGE_CHARS_MAX = 1_000
/** Our own deadline ends a call; the SDK's, which it insists on, is a little behind. */
export const SDK_SLACK_MS = 1_000

/** A tool's result, where it is one. */
export function readToolResult(value: unknown): ToolResult | undefined {
  if (!isJsonObject(value)) return undefined
  const { content = [], structuredContent, isError } = value
  if (!Array.isArray(content) || !content.every(isJsonObject)) return undefined
  return {
    content,
    ...(isJsonObject(structuredContent) ? { structuredContent } : {}),
    ...(typeof isError === 'boolean' ? { isError } : {}),
  }
}

/**
 * What of an answer we rely on. The SDK's own check costs as much as the rest of the call: with
 * every request it has its schema fail once, with the error put into words (client 2.4.0).
 */
const ANSWER = {
  '~standard': {
    version: 1 as const,
    vendor: 'p2p-foundation',
    validate: (value: unknown) => {
      const { content = [], ...rest } = value as { content?: unknown }
      if (Array.isArray(content) && content.every(isJsonObject)) {
        return { value: { ...rest, content } as ToolResult }
      }
      return { issues: [{ message: 'content is no list of objects' }] }
    },
  },
}

export interface ToolCall {
  readonly tool: string
  readonly args: ToolArgs
  readonly meta?: JsonObject
}

export interface ToolCallOptions {
  readonly signal: AbortSignal
  readonly timeoutMs: number
  readonly onprogress?: ProgressCallback | undefined
}

/** Sends the call as it is: the tool's own server checks the arguments. */
export async function callTool(
  client: Client,
  { tool, args, meta }: ToolCall,
  { signal, timeoutMs, onprogress }: ToolCallOptions,
): Promise<ToolResult> {
  const params = { name: tool, arguments: args, ...(meta === undefined ? {} : { _meta: meta }) }
  const { content, structuredContent, isError } = (await client.request(
    { method: 'tools/call', params },
    ANSWER,
    {
      signal,
      timeout: timeoutMs + SDK_SLACK_MS,
      ...(onprogress === undefined ? {} : { onprogress, resetTimeoutOnProgress: true }),
    },
  )) as ToolResult
  return {
    content,
    ...(structuredContent === undefined ? {} : { structuredContent }),
    ...(isError === undefined ? {} : { isError }),
  }
}

/**
 * Why a call failed: the other side answered with an error (of the tool or its server), refused
 * in our own form, or did not answer at all.
 */
export type CallFailure =
  | { readonly kind: 'error'; readonly rpcCode: number; readonly message: string }
  | { readonly kind: 'refusal'; readonly refusal: Refusal }
  | { readonly kind: 'silence'; readonly reason: string }

export async function failureOf(error: unknown, signal: AbortSignal): Promise<CallFailure> {
  if (signal.aborted) return { kind: 'silence', reason: reasonOf(signal.reason) }
  const { ProtocolError } = await clientSdk()
  if (!ProtocolError.isInstance(error)) return { kind: 'silence', reason: reasonOf(error) }
  const refusal = readRefusal(error.data)
  if (refusal !== undefined) return { kind: 'refusal', refusal: cleanRefusal(refusal) }
  return {
    kind: 'error',
    rpcCode: error.code,
    message: cleanText(error.message, MESSAGE_CHARS_MAX),
  }
}

export function cleanRefusal(refusal: Refusal): Refusal {
  return { ...refusal, message: cleanText(refusal.message, MESSAGE_CHARS_MAX) }
}

function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return 'it was given up'
  return cleanText(error.message, MESSAGE_CHARS_MAX)
}

/** For an error that names what went wrong beneath it. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : 'it was given up'
}
