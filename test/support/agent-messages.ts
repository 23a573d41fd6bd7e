/** Two agents with addresses, bindings and pre-keys, and messages between them, all from one seed. */

import { openEnvelope, writeEnvelope } from '../../src/agent/envelope.ts'
import type { Draft, Envelope } from '../../src/agent/envelope-codec.ts'
import { type KeptPreKey, PreKeys } from '../../src/agent/pre-keys.ts'
import { Opener, Sealer } from '../../src/agent/seal.ts'
import { seededRandom } from '../../src/base/index.ts'
import { ethSigner, generateKeys, signBinding } from '../../src/identity/index.ts'
import { FakeClock } from './fake-clock.ts'

export const NETWORK = 'test'
export const NOW_MS = 1_800_000_000_000
export const DAY_MS = 86_400_000

/** An agent with its own keys, whose time is `clock`'s. */
export async function agentOf(name: string, clock = new FakeClock(NOW_MS)) {
  const random = seededRandom(`agent ${name}`)
  const identity = generateKeys(random)
  const { signer } = identity
  const eth = ethSigner(random.bytes(32))
  const times = { version: NOW_MS, issuedMs: NOW_MS, expiresMs: NOW_MS + DAY_MS }
  const binding = await signBinding(times, { eth, node: signer }, NETWORK)
  const kept: { keys: readonly KeptPreKey[] } = { keys: [] }
  const store = {
    load: async () => kept.keys,
    save: async (keys: readonly KeptPreKey[]) => {
      kept.keys = keys
    },
  }
  const deps = { signer, network: NETWORK, clock, random }
  const preKeys = new PreKeys({ ...deps, store })
  const [preKey] = await preKeys.current()
  if (preKey === undefined) throw new TypeError('a new agent has a pre-key')
  const sealer = new Sealer({ random, clock, network: NETWORK, from: signer.peer })
  const opener = new Opener({ clock, network: NETWORK, secretOf: (id) => preKeys.secretOf(id) })
  return {
    ...deps,
    identity,
    eth,
    binding,
    kept,
    preKeys,
    preKey,
    sealer,
    opener,
    peer: signer.peer,
  }
}

export type TestAgent = Awaited<ReturnType<typeof agentOf>>

/** A clear draft of a message from one to the other's address. */
export function draftOf(from: TestAgent, to: TestAgent, more: Partial<Draft> = {}): Draft {
  return {
    from: { peer: from.peer },
    binding: from.binding,
    to: { address: to.eth.address },
    id: from.random.bytes(16),
    sentAtMs: from.clock.now(),
    expiresAtMs: from.clock.now() + 3_600_000,
    kind: 'message',
    body: Buffer.from('hello'),
    ...more,
  }
}

/** A message as it goes out: sealed against the other's newest pre-key, and signed. */
export function messageOf(
  from: TestAgent,
  to: TestAgent,
  more: Partial<Draft> = {},
): Promise<Uint8Array> {
  const sealed = from.sealer.seal(draftOf(from, to, more), to.preKey)
  return writeEnvelope(sealed, from.signer, { network: NETWORK })
}

/** Everything that `agent` asks of a message but whether it came before. */
export function takenBy(agent: TestAgent, bytes: Uint8Array): Envelope {
  const { eth, peer, clock } = agent
  return openEnvelope(bytes, {
    network: NETWORK,
    nowMs: clock.now(),
    isFor: (to) =>
      'topic' in to || ('address' in to ? to.address === eth.address : to.peer === peer),
  })
}
