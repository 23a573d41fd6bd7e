/** A line of the node's log as a `log` event. */

import { isJsonObject, parseJson } from '../wire/index.ts'
import type { Told } from './stdio-outlet.ts'

/** Fields of a log line are redacted and short; what is longer is no line of ours. */
const LOG_BYTES_MAX = 65_536

export function logEvent(line: string): Told {
  try {
    const value = parseJson(line, 'log line', { bytesMax: LOG_BYTES_MAX })
    if (isJsonObject(value)) {
      const { level, module, msg, time: _, ...meta } = value
      const event = { type: 'log', level: textOr(level, 'info'), namespace: textOr(module, 'node') }
      const message = textOr(msg, '')
      return { ...event, message, ...(Object.keys(meta).length > 0 && { meta }) }
    }
  } catch {
    // Told as it is, below.
  }
  return { type: 'log', level: 'info', namespace: 'node', message: line.trim().slice(0, 1_024) }
}

function textOr(value: unknown, otherwise: string): string {
  return typeof value === 'string' ? value : otherwise
}
