import assert from 'node:assert/strict'
import { test } from 'node:test'
import { seededRandom } from '../base/index.ts'
import { generateKeys } from '../identity/index.ts'
import { accessConfig } from './config.ts'

test('the defaults are those of the contract', () => {
  assert.deepEqual(accessConfig.parse({}), {
    ratePerPeer: 100,
    rateGranted: 10_000,
    rateTotal: 10_000,
    burstSeconds: 2,
    blocked: [],
    granted: [],
  })
})

test('peer ids are checked, and the complaint names the place', () => {
  const { peer } = generateKeys(seededRandom('config')).signer
  assert.deepEqual(accessConfig.parse({ blocked: [peer] }).blocked, [peer])
  const { error } = accessConfig.safeParse({ granted: [peer, 'nobody'] })
  const issues = error?.issues.map(({ path, message }) => `${path.join('.')}: ${message}`)
  assert.match(String(issues), /^granted\.1: Cannot read peer id "nobody"/)
})

test('a rate below the dearest action, or without bound, is refused', () => {
  for (const ratePerPeer of [4, 0, -1, 1.5, 1_000_001]) {
    assert.equal(accessConfig.safeParse({ ratePerPeer }).success, false)
  }
  for (const burstSeconds of [0, 61]) {
    assert.equal(accessConfig.safeParse({ burstSeconds }).success, false)
  }
  assert.equal(accessConfig.safeParse({ ratePerPeers: 100 }).success, false)
})
