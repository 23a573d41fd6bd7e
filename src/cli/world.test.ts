import assert from 'node:assert/strict'
import { test } from 'node:test'
import { typedAs } from './world.ts'

test('typedAs() gives the shortest words that run the program', () => {
  assert.equal(typedAs('/usr/bin/p2p', '/home/me', '/bin:/usr/bin'), 'p2p')
  assert.equal(typedAs('/home/me/clone/bin/p2p', '/home/me/clone', '/bin'), 'bin/p2p')
  assert.equal(typedAs('/home/me/clone/bin/p2p', '/home/me/clone/bin', '/bin'), './p2p')
  assert.equal(typedAs('/opt/p2p/bin/p2p', '/home/me', ''), '/opt/p2p/bin/p2p')
})
