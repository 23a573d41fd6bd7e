import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createLog } from '../base/index.ts'
import { libp2pLogger } from './libp2p-log.ts'

const PEER = '12D3KooWJwao3iRnuKRGZeYbvLhm1v4SV7PDQ8S7w1zsLXozpMeg'

function setup(level: 'debug' | 'info') {
  const lines: Partial<Record<string, string>>[] = []
  const log = createLog({
    level,
    write: (line) => lines.push(JSON.parse(line) as Record<string, string>),
  })
  return { lines, logger: libp2pLogger(log).forComponent('libp2p:tcp') }
}

test('libp2p speaks at debug level under its own module, with peer ids shortened', () => {
  const { lines, logger } = setup('debug')
  logger
    .newScope('inbound')
    .newScope('7')
    .error(
      'dial of %p failed - %e',
      {
        toString: () => PEER,
      },
      new TypeError('no route'),
    )
  const [{ module, scope, said, msg } = {}] = lines
  assert.deepEqual([module, scope, msg], ['libp2p:tcp', 'inbound:7', 'libp2p'])
  assert.equal(said, 'dial of …ozpMeg failed - no route')
})

test('nothing is formatted when nobody reads it', () => {
  const { lines, logger } = setup('info')
  logger('expensive %s', {
    toString() {
      assert.fail('it was formatted')
    },
  })
  assert.deepEqual(lines, [])
})
