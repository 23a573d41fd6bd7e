/**
 * What this node says it is: the binding of its address, signed by both keys, with its pre-keys.
 *
 * A binding is made anew for every writing, with a version above all that were seen, so that what
 * is written last is the record everywhere. Each lives eight days: a message that was kept a week
 * for somebody still finds the one it came with valid at the time it was sent.
 */

import type { Clock } from '../base/index.ts'
import { encodeEthValue } from '../dht/index.ts'
import {
  type Binding,
  type EthSigner,
  readBinding,
  type Signer,
  signBinding,
} from '../identity/index.ts'
import { type PreKey, type PreKeys, packPreKey } from './pre-keys.ts'
import { AHEAD_MS_MAX } from './protocol.ts'

const HOUR_MS = 3_600_000
const BINDING_LIFE_MS = 8 * 24 * HOUR_MS
/** Pre-keys live two days, and a new one is made each day: what is older lacks the newest. */
const RENEW_MS = 12 * HOUR_MS

export interface OwnRecordDeps {
  readonly eth: EthSigner
  readonly signer: Signer
  readonly preKeys: Pick<PreKeys, 'current'>
  readonly clock: Pick<Clock, 'now'>
  readonly network: string
}

/** This node's record as it was last made. */
export interface OwnSaid {
  /** With the pre-keys, as the DHT has it. */
  readonly value: Uint8Array
  /** Without them, for whoever only wants to know who speaks. */
  readonly brief: Uint8Array
  /** As envelopes carry it. */
  readonly bindingBytes: Uint8Array
  readonly binding: Binding
  readonly preKeys: readonly PreKey[]
}

export class OwnRecord {
  readonly #deps: OwnRecordDeps
  #said: Promise<OwnSaid> | undefined
  #latest: OwnSaid | undefined
  #version = 0

  constructor(deps: OwnRecordDeps) {
    this.#deps = deps
  }

  /** The same without waiting: what was said last, if anything was. */
  get latest(): OwnSaid | undefined {
    return this.#latest
  }

  /** What was said last; made the first time, and when it is half a day old. */
  async current(): Promise<OwnSaid> {
    const said = await (this.#said ?? this.renew())
    const ageMs = this.#deps.clock.now() - said.binding.issuedMs
    // Nobody takes one of a clock that was ahead.
    return ageMs >= -AHEAD_MS_MAX && ageMs < RENEW_MS ? said : this.renew()
  }

  /** Says it anew, with the pre-keys of now, over every version up to `above`. */
  renew(above = 0): Promise<OwnSaid> {
    const made = this.#make(above)
    this.#said = made
    made.catch(() => {
      if (this.#said === made) this.#said = undefined
    })
    return made
  }

  async #make(above: number): Promise<OwnSaid> {
    const { eth, signer, preKeys, clock, network } = this.#deps
    const keys = await preKeys.current()
    const issuedMs = clock.now()
    const last = this.#version > issuedMs + AHEAD_MS_MAX ? 0 : this.#version
    const version = Math.max(issuedMs, above + 1, last + 1)
    this.#version = version
    const times = { version, issuedMs, expiresMs: issuedMs + BINDING_LIFE_MS }
    const bindingBytes = await signBinding(times, { eth, node: signer }, network)
    this.#latest = {
      value: encodeEthValue({ binding: bindingBytes, preKeys: keys.map(packPreKey) }),
      brief: encodeEthValue({ binding: bindingBytes, preKeys: [] }),
      bindingBytes,
      binding: readBinding(bindingBytes),
      preKeys: keys,
    }
    return this.#latest
  }
}
