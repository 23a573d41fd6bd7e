/** JSON data of a command as the bytes of a message, and back. */

import { fromUtf8, utf8 } from '../base/index.ts'
import { parseJson } from '../wire/index.ts'

/** Of the body of one message, everywhere. */
export const BODY_BYTES_MAX = 524_288
export const JSON_TYPE = 'application/json'

/** The data as JSON text in UTF-8; how long it is, is for the caller to judge. */
export function bodyOf(data: unknown, form?: 'openpond'): Uint8Array {
  // OpenPond's messages are text, and do not say of what kind.
  return utf8(form === 'openpond' && typeof data === 'string' ? data : JSON.stringify(data))
}

/**
 * What a body says: JSON where its author says that it is, else text where it is any, else bytes,
 * which `encoding` tells.
 */
export function dataOf(
  body: Uint8Array,
  contentType: string | undefined,
): { readonly data: unknown; readonly encoding?: 'base64' } {
  try {
    const text = fromUtf8(body)
    return { data: isJson(contentType) ? jsonOr(text) : text }
  } catch {
    return { data: Buffer.from(body).toString('base64'), encoding: 'base64' }
  }
}

function isJson(contentType: string | undefined): boolean {
  return contentType?.split(';', 1)[0]?.trim().toLowerCase() === JSON_TYPE
}

/** What a stranger calls JSON and is not, is text. */
function jsonOr(text: string): unknown {
  try {
    return parseJson(text, 'body', { bytesMax: BODY_BYTES_MAX })
  } catch {
    return text
  }
}
