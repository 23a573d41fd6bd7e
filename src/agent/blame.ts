/**
 * What of a refused message is held against whoever handed it over, on topics as well: points,
 * which go away one a second, and the most that they come to (pubsub/conduct.ts). Pure.
 *
 * Forgeries are what no honest node hands on. Who is not let in, or sends too much, leaves meshes
 * and is told no more than others tell it, but is heard. What clocks, restarts or another version
 * of this program can bring about is held against nobody, nor is what a keeper was given by others.
 */

import type { Origin } from './intake.ts'

/** What is held against a peer. */
export interface Blame {
  readonly points: number
  readonly max: number
}

const FORGED: Blame = { points: 40, max: 120 }
const MISSHAPEN: Blame = { points: 10, max: 60 }
const UNWANTED: Blame = { points: 5, max: 20 }
const TOO_MANY: Blame = { points: 1, max: 10 }

const BLAMES: ReadonlyMap<string, Blame> = new Map([
  ['AGENT_SIGNATURE_INVALID', FORGED],
  ['AGENT_BINDING_INVALID', MISSHAPEN],
  ['AGENT_ENVELOPE_INVALID', MISSHAPEN],
  ['AGENT_TOO_LARGE', MISSHAPEN],
  ['AGENT_NOT_SEALED', MISSHAPEN],
  ['AGENT_SENDER_REFUSED', UNWANTED],
  ['AGENT_SENDER_RATE', TOO_MANY],
])

/** Undefined where nothing is held against it. */
export function blameFor(code: string, { route }: Pick<Origin, 'route'>): Blame | undefined {
  return route === 'direct' || route === 'gossip' ? BLAMES.get(code) : undefined
}
