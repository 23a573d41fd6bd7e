/** What can go wrong in the standard tools: a table of its own beside `errors.ts`. */

import { defineErrors } from '../base/index.ts'

export const ToolsError = defineErrors('NODE', {
  TOOL_ARGUMENT: {
    says: (f: { tool: string; argument: string; found: string; wanted: string }) =>
      `Cannot use ${f.tool}: ${f.argument} is ${f.found}; wanted ${f.wanted}`,
  },
  TOOL_PART_MISSING: {
    says: (f: { tool: string; part: string; remedy: string }) =>
      `Cannot use ${f.tool}: this node has no ${f.part}. ${f.remedy}`,
  },
  MESSAGE_INVALID: {
    says: (f: { field: string; found: string }) =>
      `Cannot take the message: its ${f.field} is wrong (${f.found})`,
  },
  INBOX_FULL: {
    says: (f: { limit: string }) =>
      `Cannot take another message: the inbox holds ${f.limit}, and nobody here reads it`,
    retryable: true,
  },
  RECEIPT_INVALID: {
    says: (f: { by: string }) =>
      `Cannot tell whether the message arrived: peer ${f.by} gave no valid receipt for it`,
  },
  RELAY_REFUSED: {
    says: (f: { to: string; reason: string }) =>
      `Cannot hand the message on to peer ${f.to}: ${f.reason}`,
  },
  INFERENCE_UNAVAILABLE: {
    says: (f: { backend: string; reason: string; remedy: string }) =>
      `Cannot run inference on "${f.backend}": unavailable, ${f.reason}. ${f.remedy}`,
    retryable: true,
  },
  INFERENCE_MODEL_UNKNOWN: {
    says: (f: { model: string; known: readonly string[] }) =>
      `Cannot run inference with model "${f.model}": ` +
      (f.known.length === 0 ? 'no model is known here' : `known here: ${f.known.join(', ')}`),
  },
  INFERENCE_FAILED: {
    says: (f: { backend: string; reason: string }) =>
      `Cannot run inference on "${f.backend}": ${f.reason}`,
    retryable: true,
  },
  INFERENCE_TOO_LONG: {
    says: (f: { backend: string; limit: number }) =>
      `Cannot take the answer of "${f.backend}": it is longer than ${f.limit} characters`,
  },
  ANSWER_TOO_LONG: {
    says: (f: { found: string; wanted: string }) =>
      `Cannot take the answer: it has ${f.found}; wanted ${f.wanted}`,
  },
  NOTHING_TO_REVERT: {
    says: () => 'Cannot revert: no change made by configure since the start is left to take back',
  },
  NOT_PERSISTED: {
    says: (f: { key: string; reason: string }) =>
      `Cannot keep ${f.key} across restarts: ${f.reason}. Nothing was changed`,
  },
})
