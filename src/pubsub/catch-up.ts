/**
 * What gaps cannot show: messages after which nothing came yet, and those said while we were cut
 * off.
 *
 * A peer of the mesh is asked what it took of each author, when it joins the mesh and then one of
 * them now and again; what it has and we lack is asked of the same peer. So its word costs nobody
 * else anything, and of what it makes up nothing remains.
 */

import { type Clock, either, type Logger, type Random, shuffled } from '../base/index.ts'
import type { PeerId } from '../identity/index.ts'
import { reasonOf } from './errors.ts'
import type { Gap, Gaps } from './gaps.ts'
import type { Router } from './gossip.ts'
import type { Asking } from './repair.ts'
import { COUNTS_MAX, type Head, headsFromCbor, headsQuestionToCbor } from './repair-protocol.ts'

export interface CatchUpDeps {
  readonly asking: Pick<Asking, 'ask'>
  readonly gossip: Pick<Router, 'mesh' | 'onChange'>
  readonly gaps: Pick<Gaps, 'lacking'>
  readonly clock: Clock
  readonly random: Random
  readonly log: Logger
  /** Whether one more question may be asked now. */
  readonly mayAsk: () => boolean
  /** Asks a peer for messages and takes what it gives. */
  readonly ask: (peer: PeerId, gap: Gap) => Promise<void>
}

/** Of what was taken so long ago a peer still tells. */
export const SPAN_MS_MAX = 120_000
/** Beats between two looks where nothing changed. */
const PAUSE_BEATS = 10
/** Questions for messages after one look; the rest is found by the next. */
const QUESTIONS_MAX = 32

interface Watch {
  readonly sinceMs: number
  readonly over: AbortController
  readonly known: Set<PeerId>
  wake: AbortController
}

export class CatchUp {
  readonly #deps: CatchUpDeps
  readonly #beatMs: number
  readonly #watches = new Map<string, Watch>()
  readonly #forgetChanges: () => void

  constructor(deps: CatchUpDeps, { heartbeatMs }: { readonly heartbeatMs: number }) {
    this.#deps = deps
    this.#beatMs = heartbeatMs
    this.#forgetChanges = deps.gossip.onChange(() => this.#changed())
  }

  /** A topic with repair is read from now on. */
  begin(wire: string): void {
    if (this.#watches.has(wire)) return
    const { clock, log } = this.#deps
    const over = new AbortController()
    const watch = {
      sinceMs: clock.now(),
      over,
      known: new Set<PeerId>(),
      wake: new AbortController(),
    }
    this.#watches.set(wire, watch)
    this.#run(wire, watch).catch((error: unknown) => {
      if (!over.signal.aborted)
        log.error('missed messages of a topic no longer looked for', { error })
    })
  }

  end(wire: string): void {
    this.#watches.get(wire)?.over.abort()
    this.#watches.delete(wire)
  }

  stop(): void {
    this.#forgetChanges()
    for (const wire of [...this.#watches.keys()]) this.end(wire)
  }

  #changed(): void {
    for (const [wire, { known, wake }] of this.#watches) {
      if (this.#deps.gossip.mesh(wire).some((peer) => !known.has(peer))) wake.abort()
    }
  }

  async #run(wire: string, watch: Watch): Promise<void> {
    const { clock, gossip, random } = this.#deps
    const { over, known } = watch
    for (;;) {
      if (this.#freshOf(wire, watch).length === 0) {
        watch.wake = new AbortController()
        using woken = either(over.signal, watch.wake.signal)
        await clock.sleep(PAUSE_BEATS * this.#beatMs, woken.signal).catch(() => undefined)
        over.signal.throwIfAborted()
      }
      const fresh = this.#freshOf(wire, watch)
      const [other] = shuffled(gossip.mesh(wire), random)
      const [peer = other] = fresh
      if (peer === undefined) continue
      known.add(peer)
      await this.#look(wire, peer, watch)
      // However often the mesh changes.
      await clock.sleep(this.#beatMs, over.signal)
    }
  }

  /** Who is new in the mesh; who left it will be new again. */
  #freshOf(wire: string, { known }: Watch): readonly PeerId[] {
    const mesh = this.#deps.gossip.mesh(wire)
    for (const peer of known) if (!mesh.includes(peer)) known.delete(peer)
    return mesh.filter((peer) => !known.has(peer))
  }

  async #look(wire: string, peer: PeerId, { sinceMs, over }: Watch): Promise<void> {
    const { asking, clock, gaps, log, mayAsk, ask } = this.#deps
    if (!mayAsk()) return
    const spanMs = Math.min(SPAN_MS_MAX, Math.max(0, clock.now() - sinceMs))
    let heads: readonly Head[]
    try {
      using deadline = clock.deadline(4 * this.#beatMs, over.signal)
      const question = headsQuestionToCbor({ wire, spanMs })
      heads = headsFromCbor(await asking.ask(peer, question, { signal: deadline.signal }))
    } catch (error) {
      log.debug('what a peer took not told', { peer, why: reasonOf(error) })
      return
    }
    const gapsOf = heads.flatMap((head) =>
      chunksOf(gaps.lacking(wire, head)).map((counts) => {
        return { wire, author: head.author, run: head.run, counts, asked: new Set<PeerId>() }
      }),
    )
    for (const gap of gapsOf.slice(0, QUESTIONS_MAX)) {
      while (!mayAsk()) await clock.sleep(this.#beatMs, over.signal)
      await ask(peer, gap)
    }
  }
}

function chunksOf(counts: readonly number[]): readonly (readonly number[])[] {
  const chunks: (readonly number[])[] = []
  for (let at = 0; at < counts.length; at += COUNTS_MAX)
    chunks.push(counts.slice(at, at + COUNTS_MAX))
  return chunks
}
