import assert from 'node:assert/strict'
import { test } from 'node:test'
import { takeEnvironment } from './environment.ts'

test('takeEnvironment() leaves everything but the secrets, and copies all', () => {
  const environment = { PRIVATE_KEY: '0x1', RPC_URL: 'http://a/key', HOME: '/home/me' }
  const all = { ...environment }
  assert.deepEqual(takeEnvironment(environment), all)
  assert.deepEqual(environment, { HOME: '/home/me' })
})
