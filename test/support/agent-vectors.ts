/**
 * What `test/vectors/agent-envelope.json` holds, made anew from its seeds: for whoever writes the
 * agent protocol a second time. Everything is derived from what the file itself says.
 *
 *   node test/support/agent-vectors.ts > test/vectors/agent-envelope.json
 */

import { envelopeHash, writeEnvelope } from '../../src/agent/envelope.ts'
import { type Draft, headerOf, readEnvelope } from '../../src/agent/envelope-codec.ts'
import { x25519Keys } from '../../src/agent/hpke.ts'
import { PreKeys, packPreKey } from '../../src/agent/pre-keys.ts'
import { receiptBody } from '../../src/agent/receipt.ts'
import { Sealer } from '../../src/agent/seal.ts'
import { type Random, toHex, utf8 } from '../../src/base/index.ts'
import {
  ethAddressToBytes,
  ethSigner,
  peerIdToBytes,
  signBinding,
  signerFromSeed,
} from '../../src/identity/index.ts'
import { type Cbor, decodeCbor, encodeCbor } from '../../src/wire/index.ts'
import { FakeClock } from './fake-clock.ts'

export const NETWORK = 'vectors'
export const NOW_MS = 1_800_000_000_000
const HOUR_MS = 3_600_000
const clock = new FakeClock(NOW_MS)

const filled = (byte: number, size = 32) => new Uint8Array(size).fill(byte)

/** Chance that counts: each call gives bytes of the next value. */
function counted(from: number): Random {
  let next = from
  const bytes = (count: number) => filled(next++, count)
  return { bytes, int: () => 0 }
}

async function party(name: string, seed: number) {
  const node = signerFromSeed(filled(seed))
  const eth = ethSigner(filled(seed + 1))
  const times = { version: NOW_MS, issuedMs: NOW_MS, expiresMs: NOW_MS + 24 * HOUR_MS }
  const binding = await signBinding(times, { eth, node }, NETWORK)
  const shown = {
    name,
    ed25519_seed: toHex(filled(seed)),
    peer_id: node.peer,
    peer_id_bytes: toHex(peerIdToBytes(node.peer)),
    eth_key: toHex(filled(seed + 1)),
    eth_address: eth.address,
    binding: toHex(binding),
  }
  return { node, eth, binding, shown }
}

const alice = await party('alice', 0x11)
const bob = await party('bob', 0x21)
const kept = { load: async () => [], save: async () => {} }
const preKeys = new PreKeys({
  signer: bob.node,
  network: NETWORK,
  clock,
  random: counted(0x31),
  store: kept,
})
const EPHEMERAL = 0x41
const from = alice.node.peer
const sealer = new Sealer({ random: counted(EPHEMERAL), clock, network: NETWORK, from })

const common = {
  from: { peer: from },
  sentAtMs: NOW_MS,
  expiresAtMs: NOW_MS + HOUR_MS,
  kind: 'message',
} as const

async function shown(name: string, draft: Draft, plain: Uint8Array, signer = alice.node) {
  const bytes = await writeEnvelope(draft, signer, { network: NETWORK })
  return {
    name,
    header: toHex(headerOf(draft, NETWORK)),
    plain_body: toHex(plain),
    body: toHex(draft.body),
    signature: toHex(readEnvelope(bytes).signature),
    envelope: toHex(bytes),
    hash: toHex(envelopeHash(bytes)),
  }
}

function changed(bytes: Uint8Array, key: number, value: Cbor): string {
  const fields = decodeCbor(bytes, 'message', 4_096) as ReadonlyMap<Cbor, Cbor>
  return toHex(encodeCbor(new Map([...fields, [key, value]])))
}

/** The same fields, the last first: CBOR that is not deterministic. */
function reversed(bytes: Uint8Array): string {
  const fields = decodeCbor(bytes, 'message', 4_096) as ReadonlyMap<Cbor, Cbor>
  const pairs = [...fields].reverse().map((pair) => encodeCbor(pair).subarray(1))
  return toHex(Buffer.concat([bytes.subarray(0, 1), ...pairs]))
}

/** The whole file. */
export async function agentVectors() {
  const [preKey] = await preKeys.current()
  if (preKey === undefined) throw new TypeError('there is a pre-key')
  const to = { address: bob.eth.address }
  const said: Draft = {
    ...common,
    to,
    binding: alice.binding,
    id: filled(1, 16),
    conversation: 'greetings',
    replyTo: filled(9, 16),
    sequence: 7,
    contentType: 'text/plain',
    body: utf8('hello, bob'),
  }
  const second: Draft = {
    ...common,
    to: { peer: bob.node.peer },
    id: filled(2, 16),
    body: utf8(''),
  }
  const all: Draft = {
    ...common,
    to: { topic: 'agent-messages' },
    id: filled(3, 16),
    body: utf8('hi'),
  }
  const sealed = sealer.seal(said, preKey)
  const direct = await writeEnvelope(sealed, alice.node, { network: NETWORK })
  const receipt: Draft = {
    ...common,
    from: { peer: bob.node.peer },
    binding: bob.binding,
    to: { peer: from },
    id: filled(4, 16),
    kind: 'receipt',
    replyTo: said.id,
    body: receiptBody({ of: said.id, state: 'delivered', hash: envelopeHash(direct) }),
  }
  const whole = { of: said.id, state: 'delivered', hash: envelopeHash(direct) } as const
  const more = [{ of: second.id, hash: filled(8, 32) }]
  const shared = { ...receipt, id: filled(5, 16), body: receiptBody({ ...whole, more }) }
  const write = (draft: Draft, network = NETWORK, signer = alice.node) => {
    return writeEnvelope(draft, signer, { network }).then(toHex)
  }
  return {
    about:
      'docs/protocols/agent.md; bytes are hex. The recipient of all refusals is bob, at now_ms.',
    network: NETWORK,
    now_ms: NOW_MS,
    parties: [alice.shown, bob.shown],
    pre_key_of_bob: {
      id: toHex(preKey.id),
      secret: toHex(filled(0x32)),
      public_key: toHex(preKey.publicKey),
      expires_at_ms: preKey.expiresAtMs,
      signature: toHex(preKey.signature),
      packed: toHex(encodeCbor(packPreKey(preKey))),
    },
    ephemeral: {
      secret: toHex(filled(EPHEMERAL)),
      public_key: toHex(x25519Keys(filled(EPHEMERAL)).publicKey),
    },
    messages: [
      await shown('sealed, to an address, every field', sealed, said.body),
      await shown(
        'sealed, to a peer, the second under one key',
        sealer.seal(second, preKey),
        second.body,
      ),
      await shown('clear, to a topic', all, all.body),
      await shown('receipt', receipt, receipt.body, bob.node),
      await shown('receipt for two messages', shared, shared.body, bob.node),
    ],
    refused: [
      {
        name: 'forged: signed by bob',
        envelope: await write(sealed, NETWORK, bob.node),
        code: 'AGENT_SIGNATURE_INVALID',
      },
      {
        name: 're-targeted by who holds no key',
        envelope: changed(direct, 5, [2, peerIdToBytes(bob.node.peer)]),
        code: 'AGENT_SIGNATURE_INVALID',
      },
      {
        name: 'for somebody else',
        envelope: await write({ ...sealed, to: { address: alice.eth.address } }),
        code: 'AGENT_OTHER_RECIPIENT',
      },
      {
        name: 'of another network',
        envelope: await write(sealed, 'elsewhere'),
        code: 'AGENT_OTHER_NETWORK',
      },
      {
        name: 'expired',
        envelope: await write({ ...sealed, sentAtMs: NOW_MS - HOUR_MS, expiresAtMs: NOW_MS }),
        code: 'AGENT_EXPIRED',
      },
      {
        name: 'from the future',
        envelope: await write({ ...sealed, sentAtMs: NOW_MS + 60_001 }),
        code: 'AGENT_FROM_FUTURE',
      },
      {
        name: 'with the binding of bob',
        envelope: await write({ ...sealed, binding: bob.binding }),
        code: 'AGENT_BINDING_INVALID',
      },
      {
        name: 'fields in another order',
        envelope: reversed(direct),
        code: 'AGENT_ENVELOPE_INVALID',
      },
      {
        name: 'a field nobody knows',
        envelope: changed(direct, 17, 1),
        code: 'AGENT_ENVELOPE_INVALID',
      },
      { name: 'in the clear', envelope: await write(said), code: 'AGENT_NOT_SEALED' },
      {
        name: 'with another address',
        envelope: changed(direct, 5, [1, ethAddressToBytes(alice.eth.address)]),
        code: 'AGENT_OTHER_RECIPIENT',
      },
    ],
  }
}

if (import.meta.main) {
  process.stdout.write(`${JSON.stringify(await agentVectors(), null, 2)}\n`)
}
