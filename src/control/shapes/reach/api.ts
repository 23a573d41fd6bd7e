/** What the API says of how this node is reached, as schemas. */

import { z } from 'zod'

/** Something that a host may lack. */
export const facility = z.object({
  state: z.enum(['active', 'off', 'unavailable']),
  reason: z.string().optional(),
  remedy: z.string().optional(),
})

const mapping = z.enum(['none', 'endpoint-independent', 'endpoint-dependent', 'unknown'])
const verdict = z.enum(['public', 'private', 'unknown'])

/** Who reaches this node where, and what helps where nobody does. */
export const reachability = z.object({
  verdict,
  reason: z.string(),
  addresses: z
    .array(
      z.object({
        address: z.string(),
        verdict,
        reached: z.number(),
        missed: z.number(),
        wanted: z.number(),
        evidence: z
          .array(
            z.object({
              by: z.string(),
              from: z.string(),
              atMs: z.number(),
              what: z.enum(['dialled back', 'connected', 'not reached']),
            }),
          )
          .readonly(),
      }),
    )
    .readonly(),
  observed: z
    .array(
      z.object({
        transport: z.enum(['quic', 'tcp']),
        ip: z.string(),
        port: z.number().optional(),
        voices: z.number(),
        wanted: z.number(),
        few: z.boolean(),
        reporters: z.array(z.string()).readonly(),
      }),
    )
    .readonly(),
  nat: z.object({
    found: z.boolean().optional(),
    ip: z.string().optional(),
    quic: mapping,
    tcp: mapping,
  }),
  relays: z
    .array(
      z.object({
        relay: z.string(),
        expiresAtMs: z.number(),
        addresses: z.array(z.string()).readonly(),
      }),
    )
    .readonly(),
  relaying: z.object({
    serving: z.boolean(),
    reservations: z.number(),
    circuits: z.number(),
    bytesThisHour: z.number(),
  }),
  punching: z.object({ hub: facility.extend({ inUse: z.boolean() }), tcp: facility }),
  attempts: z
    .array(
      z.object({
        peer: z.string(),
        atMs: z.number(),
        kind: z.enum(['quic', 'tcp', 'dial']),
        role: z.enum(['caller', 'called']),
        targets: z.array(z.string()).readonly(),
        outcome: z.enum(['connected', 'failed']),
        tookMs: z.number(),
        reason: z.string().optional(),
      }),
    )
    .readonly(),
})

const side = z.object({ host: z.string(), port: z.number() })

/** Which ports of this node routers forward, and what helps where none does. */
export const portMapping = facility.extend({
  mappings: z
    .array(
      z.object({
        protocol: z.enum(['tcp', 'udp']),
        suffix: z.string(),
        via: z.enum(['pcp', 'nat-pmp', 'upnp']).nullable(),
        router: z.string(),
        internal: side,
        external: side.nullable(),
        expiresAtMs: z.number().nullable(),
        state: z.enum(['mapped', 'behind-nat', 'refused', 'expired']),
        reason: z.string().nullable(),
      }),
    )
    .readonly(),
})
