import assert from 'node:assert/strict'
import { test } from 'node:test'
import { packageVersion } from '../base/index.ts'
import { processWorld, typedAs } from './world.ts'

test('typedAs() gives the shortest words that run the program', () => {
  assert.equal(typedAs('/usr/bin/p2p', '/home/me', '/bin:/usr/bin'), 'p2p')
  assert.equal(typedAs('/home/me/clone/bin/p2p', '/home/me/clone', '/bin'), 'bin/p2p')
  assert.equal(typedAs('/home/me/clone/bin/p2p', '/home/me/clone/bin', '/bin'), './p2p')
  assert.equal(typedAs('/opt/p2p/bin/p2p', '/home/me', ''), '/opt/p2p/bin/p2p')
})

test('processWorld() hears signals only for as long as somebody listens', () => {
  const world = processWorld()
  assert.equal(world.version, packageVersion())
  const heard: string[] = []
  const before = process.listenerCount('SIGHUP')
  const release = world.onSignal((name) => heard.push(name))
  process.emit('SIGHUP', 'SIGHUP')
  release()
  assert.deepEqual([heard, process.listenerCount('SIGHUP')], [['SIGHUP'], before])
})
