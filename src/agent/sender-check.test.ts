import assert from 'node:assert/strict'
import { test } from 'node:test'
import { coded } from '../../test/support/expect.ts'
import { FakeClock } from '../../test/support/fake-clock.ts'
import { nodeOf } from '../../test/support/mail.ts'
import { type EthAddress, ethSigner, type PeerId, signBinding } from '../identity/index.ts'
import { SenderCheck, type SenderCheckDeps } from './sender-check.ts'

const [PEER, OTHER] = [nodeOf(1).peer, nodeOf(2).peer]
const { address } = ethSigner(new Uint8Array(32).fill(7))

function setup(options: Partial<SenderCheckDeps> = {}) {
  const asked: EthAddress[] = []
  let reason: string | undefined
  const gate = {
    admits: async (sender: EthAddress) => {
      asked.push(sender)
      return reason === undefined ? { allowed: true } : { allowed: false, reason }
    },
  }
  const check = new SenderCheck({
    clock: new FakeClock(),
    gate,
    requireRegistered: false,
    isBlocked: (peer: PeerId) => peer === OTHER,
    ...options,
  })
  const answer = (next: string | undefined) => {
    reason = next
  }
  return { check, asked, answer }
}

test('a peer that is blocked here is refused, whoever brings what it wrote', () => {
  const { check } = setup()
  check.checkPeer(PEER)
  assert.throws(() => check.checkPeer(OTHER), coded('AGENT_SENDER_REFUSED'))
})

test('who was blocked by its address is not let in when it leaves its binding out', async () => {
  const { check, asked, answer } = setup()
  await check.admit({ peer: PEER })
  assert.deepEqual(asked, [])
  answer('blocked')
  await assert.rejects(
    async () => check.admit({ peer: PEER, address }),
    coded('AGENT_SENDER_REFUSED'),
  )
  await assert.rejects(async () => check.admit({ peer: PEER }), coded('AGENT_SENDER_REFUSED'))
  assert.deepEqual(asked, [address, address])
  answer(undefined)
  await check.admit({ peer: PEER })
})

test('where an entry is wanted, who has no address is refused, and who cannot be checked waits', async () => {
  const { check, asked, answer } = setup({ requireRegistered: true })
  await assert.rejects(async () => check.admit({ peer: PEER }), coded('AGENT_SENDER_REFUSED'))
  assert.deepEqual(asked, [])
  answer('unavailable')
  await assert.rejects(
    async () => check.admit({ peer: PEER, address }),
    coded('AGENT_SENDER_UNCHECKED'),
  )
})

test('who is known waits for nobody, and nobody waits long behind those who are not', async () => {
  const clock = new FakeClock()
  const questions: (() => void)[] = []
  const gate = {
    verdict: (sender: EthAddress) => (sender === address ? { allowed: true } : undefined),
    admits: async () => {
      const { promise, resolve } = Promise.withResolvers<void>()
      questions.push(resolve)
      await promise
      return { allowed: true }
    },
  }
  const { check } = setup({ gate, clock })
  assert.equal(check.admit({ peer: PEER, address }), undefined)
  const stranger = ethSigner(new Uint8Array(32).fill(8)).address
  const waiting = Array.from({ length: 64 }, async () =>
    check.admit({ peer: PEER, address: stranger }, 10),
  )
  assert.equal(check.waiting, 64)
  const more = async () => check.admit({ peer: PEER, address: stranger })
  await assert.rejects(more, coded('AGENT_SENDER_UNCHECKED'), 'of one sender')
  const huge = async () => check.admit({ peer: OTHER, address: stranger }, 32 * 1024 * 1024)
  await assert.rejects(huge, coded('AGENT_SENDER_UNCHECKED'), 'bytes of all')
  for (const answer of questions) answer()
  await Promise.all(waiting)
  assert.equal(check.waiting, 0)
  for (let n = 0; n < 2_048 / 64; n += 1) {
    const { peer } = nodeOf(100 + n)
    for (let i = 0; i < 64; i += 1) void check.admit({ peer, address: stranger })
  }
  const last = async () => check.admit({ peer: PEER, address: stranger })
  await assert.rejects(last, coded('AGENT_SENDER_UNCHECKED'), 'of all')
  assert.equal(check.admit({ peer: PEER, address }), undefined)
})

test('a binding that its address replaced by one to another peer counts no more', async () => {
  const clock = new FakeClock(1_800_000_000_000)
  const issuedMs = clock.now()
  const eth = ethSigner(new Uint8Array(32).fill(7))
  const bound = async (n: number, version: number) => {
    const times = { version, issuedMs, expiresMs: issuedMs + 60_000 }
    return signBinding(times, { eth, node: nodeOf(n) }, 'test')
  }
  const [old, same, next] = [await bound(1, 5), await bound(1, 9), await bound(1, 8)]
  const known = new Map([[address, { peer: OTHER, version: 8 }]])
  const { check } = setup({ clock, newest: (of) => known.get(of) })
  const from = { peer: PEER, address }
  assert.throws(() => check.checkBound(from, old), coded('AGENT_SENDER_REFUSED'))
  check.checkBound(from, same)
  check.checkBound(from, next)
  check.checkBound({ peer: PEER }, undefined)
  check.checkBound({ peer: OTHER, address }, await bound(2, 3))
  known.clear()
  check.checkBound(from, old)
})

test('without a registry there is nobody to ask', async () => {
  const { check } = setup({ gate: null })
  await check.admit({ peer: PEER, address })
  await check.admit({ peer: PEER })
})
