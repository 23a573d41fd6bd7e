import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FakeClock } from '../../../test/support/fake-clock.ts'
import { seededRandom, silentLog } from '../../base/index.ts'
import { type PeerId, signerFromSeed } from '../../identity/index.ts'
import type { Cbor } from '../../wire/index.ts'
import { ToolsError } from '../tools-errors.ts'
import { decodeSigned, signReceipt } from './message.ts'
import { Messages } from './messages.ts'

const [self, to, liar, honest] = [1, 2, 3, 4].map((n) => signerFromSeed(new Uint8Array(32).fill(n)))
assert.ok(self !== undefined && to !== undefined && liar !== undefined && honest !== undefined)
const UNREACHABLE = ToolsError.RELAY_REFUSED({ to: to.peer, reason: 'nobody can dial it' })

type Relay = (message: Uint8Array) => Promise<Cbor>

/** A node that cannot reach the receiver itself, and is connected to these relays. */
function among(relays: ReadonlyMap<PeerId, Relay>) {
  return new Messages({
    host: {
      self: self?.peer ?? assert.fail(),
      connections: () => [...relays.keys()].map((peer) => ({ peer })) as never,
    },
    connect: async () => {
      throw UNREACHABLE
    },
    rpc: {
      server: { handle: () => undefined },
      client: {
        call: async (peer, _method, payload) => {
          const relay = relays.get(peer) ?? assert.fail('only relays are asked')
          assert.ok(payload instanceof Uint8Array)
          return relay(payload)
        },
      },
    },
    signer: self ?? assert.fail(),
    network: 'main',
    clock: new FakeClock(),
    random: seededRandom('messages'),
    log: silentLog,
    told: () => undefined,
  })
}

const full: Relay = async () => [false, 'NODE_INBOX_FULL', 'the inbox is full']
const carries: Relay = async (bytes) => {
  return [true, await signReceipt(decodeSigned(bytes), to, 'main')]
}

function alone(relay: Relay): ReadonlyMap<PeerId, Relay> {
  return new Map<PeerId, Relay>([[liar?.peer ?? assert.fail(), relay]])
}

test('a relay that says the receiver refused does not keep the others from being asked', async () => {
  for (const order of [
    [liar, honest],
    [honest, liar],
  ]) {
    const relays = new Map<PeerId, Relay>()
    for (const one of order) relays.set(one.peer, one === liar ? full : carries)
    const { outcome, via } = await among(relays).send(to.peer, 'hello')
    assert.deepEqual([outcome, via], ['delivered', honest.peer])
  }
  const { outcome, reason = '' } = await among(alone(full)).send(to.peer, 'hello')
  assert.equal(outcome, 'unreachable')
  assert.match(reason, /through .+: the inbox is full/)
})

test('a relay that makes up a receipt has delivered nothing', async () => {
  const forged: Relay = async (bytes) => {
    return [true, await signReceipt(decodeSigned(bytes), liar, 'main')]
  }
  const { outcome, attempts } = await among(alone(forged)).send(to.peer, 'hello')
  assert.equal(outcome, 'unreachable')
  assert.equal(attempts.at(-1)?.code, 'NODE_RECEIPT_INVALID')
})
