/**
 * What is written of one service, and where: openly under its name, or blinded under one that only
 * who was invited can compute. Pure but for the salt of what is blinded.
 */

import type { Random } from '../base/index.ts'
import type { PeerId } from '../identity/index.ts'
import { BLINDED_DESCRIPTOR_BYTES_MAX, blindedName, sealDescriptor } from './blinded.ts'
import {
  DESCRIPTOR_BYTES_MAX,
  type Descriptor,
  describe,
  encodeDescriptor,
  isServiceName,
} from './descriptor.ts'
import { LISTED_NAMES_MAX, type Listed } from './descriptor-fields.ts'
import {
  ANY_SERVICE,
  descriptorKey,
  INDEX_NAME,
  SERVICES_MAX,
  serviceProvider,
  tagProvider,
  toolProvider,
} from './service-index.ts'
import type { ServiceStatus } from './tool.ts'

/** A service as it stands in the network; `secret` is there where it is blinded. */
export interface Standing {
  readonly service: string
  readonly secret: Uint8Array | null
}

/** One record: `said` is what it says whenever it is written, `value` is that as it is now. */
export interface Publication {
  readonly key: string
  readonly value: Uint8Array
  readonly said: Uint8Array
  /** The service to announce, where it is told to all. */
  readonly announced: string | null
  /** Where it is a service that everybody may know of. */
  readonly descriptor?: Descriptor
}

/** What a descriptor says besides what its service is. */
export interface About {
  readonly self: PeerId
  readonly version: string
  readonly endpoints: readonly string[]
  readonly load: number | null
  readonly nowMs: number
  readonly ttlSeconds: number
  readonly random: Random
}

/** Where several standings of one name are told apart: a service may become blinded, or open. */
export function standingId({ service, secret }: Standing): string {
  return secret === null ? service : blindedName(secret, service)
}

/** The record that says what a service offers; without tools, that it is gone. */
export function publicationOf(
  status: Pick<ServiceStatus, 'tools' | 'tags' | 'price' | 'resources' | 'prompts'>,
  standing: Standing,
  about: About,
): Publication {
  const { self, version, load, nowMs, ttlSeconds, random } = about
  const { service, secret } = standing
  const endpoints = status.tools.length === 0 ? [] : about.endpoints
  const bytesMax = secret === null ? DESCRIPTOR_BYTES_MAX : BLINDED_DESCRIPTOR_BYTES_MAX
  const lists = { resources: listed(status.resources), prompts: listed(status.prompts) }
  const own = {
    tools: status.tools,
    tags: status.tags ?? [],
    price: status.price ?? null,
    ...lists,
  }
  // What changes with the hour has the same number of digits, so that it changes nothing else.
  const expires = Math.floor(nowMs / 1_000) + ttlSeconds
  const head = { service, peer: self, version, endpoints, expires, load }
  const descriptor = describe({ ...head, ...own }, bytesMax)
  const value = encodeDescriptor(descriptor)
  const said = encodeDescriptor({ ...descriptor, expires: 0, load: null })
  if (secret === null) {
    return { key: descriptorKey(service, self), value, said, announced: service, descriptor }
  }
  const key = descriptorKey(blindedName(secret, service), self)
  return { key, value: sealDescriptor(value, { secret, key, random }), said, announced: null }
}

/** The names under which a service is looked for; one that is blinded has none. */
export function providersOf(services: readonly ServiceStatus[]): Set<string> {
  const names = services
    .filter(({ visibility = 'public' }) => visibility === 'public')
    .flatMap(({ name, tools, tags = [] }) => [
      serviceProvider(name),
      ...tags.map(tagProvider),
      ...tools.map((tool) => toolProvider(tool.name)),
    ])
  return new Set(names.length === 0 ? [] : [ANY_SERVICE, ...names])
}

/** A service that is to be published, and as what. */
export interface Offered {
  readonly status: ServiceStatus
  readonly standing: Standing
}

/**
 * Ready services, and those that are only being restarted: they will be back. A blinded one
 * without a secret has no place to stand.
 */
export function offeredOf(
  services: {
    list(): readonly ServiceStatus[]
    secretOf?(name: string): Uint8Array | undefined
  },
  stands: (name: string) => boolean,
): Offered[] {
  const published = services.list().filter(({ name, state, tools, visibility }) => {
    if (name === INDEX_NAME || !isServiceName(name) || tools.length === 0) return false
    if (visibility === 'peers') return false
    return state === 'ready' || (state === 'restarting' && stands(name))
  })
  return published.slice(0, SERVICES_MAX).flatMap((status): Offered[] => {
    const { name: service, visibility } = status
    if (visibility !== 'blinded') return [{ status, standing: { service, secret: null } }]
    const secret = services.secretOf?.(service)
    return secret === undefined ? [] : [{ status, standing: { service, secret } }]
  })
}

function listed(names: readonly string[] = []): Listed {
  return { count: names.length, names: names.slice(0, LISTED_NAMES_MAX) }
}
