import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FakeClock } from '../../test/support/fake-clock.ts'
import { hasCode, seededRandom } from '../base/index.ts'
import { generateKeys } from '../identity/index.ts'
import type { InjectedSigner } from './injected.ts'
import { keysOfSigner } from './injected-keys.ts'

const { signer } = generateKeys(seededRandom('agent'))
const given = () => ({ random: seededRandom('check'), clock: new FakeClock() })
const refused = (found: RegExp) => (error: unknown) =>
  hasCode(error, 'NODE_INJECTED_INVALID') && found.test(error.message)

test('a signer that holds its key is who the node is, and no secret is known', async () => {
  const { publicKey } = signer
  const keys = await keysOfSigner({ publicKey, sign: async (b) => signer.sign(b) }, given())
  assert.deepEqual([keys.signer.peer, keys.raw], [signer.peer, undefined])
})

test('a signer with another key, a wrong answer or none is found out before the start', async () => {
  const { publicKey } = signer
  const other = generateKeys(seededRandom('other')).signer
  const check = (one: Partial<InjectedSigner>) => {
    return keysOfSigner({ publicKey, sign: (b) => signer.sign(b), ...one }, given())
  }
  await assert.rejects(check({ sign: (b) => other.sign(b) }), refused(/does not verify/))
  await assert.rejects(check({ sign: () => 'text' as never }), refused(/does not verify/))
  await assert.rejects(check({ sign: () => assert.fail('locked') }), refused(/found locked/))
  await assert.rejects(check({ publicKey: new Uint8Array(31) }), refused(/31 bytes/))
  await assert.rejects(check({ publicKey: 'key' as never }), refused(/string/))
  await assert.rejects(check({ publicKey: new Uint8Array(32) }), refused(/can sign nothing/))
})

test('a signer that never answers is given half a minute', async () => {
  const clock = new FakeClock()
  const silent = { publicKey: signer.publicKey, sign: () => new Promise<never>(() => undefined) }
  const keys = keysOfSigner(silent, { random: seededRandom('check'), clock })
  const failed = assert.rejects(keys, refused(/30000 ms/))
  await clock.advance(30_000)
  await failed
})
