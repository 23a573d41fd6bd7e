/** What stands in the DHT under this node's name, and what was last said under each key. */

import { equalBytes } from '../base/index.ts'
import type { PeerId } from '../identity/index.ts'
import { type Publication, type Standing, standingId } from './publication.ts'
import { descriptorKey, encodeIndex, INDEX_NAME } from './service-index.ts'

export class Standings {
  readonly #self: PeerId
  readonly #services = new Map<string, Standing>()
  readonly #said = new Map<string, Uint8Array>()

  constructor(self: PeerId) {
    this.#self = self
  }

  all(): readonly Standing[] {
    return [...this.#services.values()]
  }

  has(service: string): boolean {
    return this.all().some((standing) => standing.service === service)
  }

  add(standing: Standing): void {
    this.#services.set(standingId(standing), standing)
  }

  remove(standing: Standing): void {
    this.#services.delete(standingId(standing))
  }

  /** Whether the record says what was last written under its key. */
  stands({ key, said }: Publication): boolean {
    const written = this.#said.get(key)
    return written !== undefined && equalBytes(written, said)
  }

  /** What a write that has not ended leaves behind is not known. */
  writing({ key }: Publication): void {
    this.#said.delete(key)
  }

  wrote({ key, said }: Publication): void {
    this.#said.set(key, said)
  }

  /** What everybody may know of, in one record; none where there never was one. */
  index(services: readonly Publication[]): readonly Publication[] {
    const key = descriptorKey(INDEX_NAME, this.#self)
    const open = services.flatMap(({ descriptor }) => (descriptor ? [descriptor] : []))
    if (open.length === 0 && !this.#said.has(key)) return []
    const plain = open.map((descriptor) => ({ ...descriptor, expires: 0, load: null }))
    const value = encodeIndex(this.#self, open)
    return [{ key, value, said: encodeIndex(this.#self, plain), announced: null }]
  }
}
