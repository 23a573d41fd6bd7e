/** What others are told of a service: read from the command line, the API and `services.json`. */

import type { Random } from '../base/index.ts'
import { isJsonObject, type Json } from '../wire/index.ts'
import { SECRET_BYTES } from './blinded.ts'
import { isTag, PRICE_MAX, TAGS_MAX } from './descriptor.ts'
import { McpError } from './errors.ts'
import type { Publicity, ServiceStatus, Visibility } from './tool.ts'

const VISIBILITIES: readonly unknown[] = ['public', 'peers', 'blinded'] satisfies Visibility[]
const KEYS: readonly string[] = ['tags', 'visibility', 'price', 'secret']

/** Reads what is of unknown origin; throws `MCP_SERVICE_INVALID` naming the field. */
export function readPublicity(value: unknown): Publicity {
  if (!isJsonObject(value)) {
    throw invalid('its publicity', value, `an object with ${KEYS.join(', ')}`)
  }
  const unknown = Object.keys(value).find((key) => !KEYS.includes(key))
  if (unknown !== undefined) {
    throw invalid('a key of its publicity', unknown, `one of ${KEYS.join(', ')}`)
  }
  const { tags, visibility, price, secret } = value
  return {
    ...(tags !== undefined && { tags: readTags(tags) }),
    ...(visibility !== undefined && { visibility: readVisibility(visibility) }),
    ...(price !== undefined && { price: readPrice(price) }),
    ...(secret !== undefined && { secret: readSecret(secret) }),
  }
}

/** The same, with a secret where one is needed and none was given. */
export function withSecret(publicity: Publicity, random: Random): Publicity {
  const { visibility, secret } = publicity
  if (visibility !== 'blinded' || secret !== undefined) return publicity
  return { ...publicity, secret: Buffer.from(random.bytes(SECRET_BYTES)).toString('base64url') }
}

/** What a status says of it: all but the secret. */
export function shownOf(
  publicity: Publicity = {},
): Pick<ServiceStatus, 'tags' | 'visibility' | 'price'> {
  const { secret: _, ...shown } = publicity
  return shown
}

export function secretOf({ visibility, secret }: Publicity = {}): Uint8Array | undefined {
  if (visibility !== 'blinded' || secret === undefined) return undefined
  return Uint8Array.from(Buffer.from(secret, 'base64url'))
}

function readTags(value: Json): readonly string[] {
  if (!Array.isArray(value) || value.length > TAGS_MAX) {
    throw invalid('its tags', value, `a list of at most ${TAGS_MAX}`)
  }
  const tags = (value as readonly Json[]).map((tag) => {
    if (typeof tag === 'string' && isTag(tag)) return tag
    throw invalid('one of its tags', tag, 'lower-case letters, digits and hyphens, at most 32')
  })
  return [...new Set(tags)].sort()
}

function readVisibility(value: Json): Visibility {
  if (VISIBILITIES.includes(value)) return value as Visibility
  throw invalid('its visibility', value, 'public, peers or blinded')
}

function readPrice(value: Json): number {
  if (typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= PRICE_MAX) {
    return value
  }
  throw invalid('its price', value, `a whole number from 0 to ${PRICE_MAX}`)
}

function readSecret(value: Json): string {
  const bytes = typeof value === 'string' ? Buffer.from(value, 'base64url') : Buffer.alloc(0)
  if (bytes.length === SECRET_BYTES && bytes.toString('base64url') === value) return value
  throw invalid('its secret', '(not shown)', `${SECRET_BYTES} bytes in base64url`)
}

function invalid(field: string, found: unknown, wanted: string) {
  const shown =
    typeof found === 'string' ? found : ((JSON.stringify(found) as string | undefined) ?? 'nothing')
  return McpError.SERVICE_INVALID({ field, found: shown.slice(0, 80), wanted })
}
