import assert from 'node:assert/strict'
import { test } from 'node:test'
import { systemClock } from '../base/index.ts'
import { netConfig } from './config.ts'
import { loadQuic } from './quic.ts'

test('without its native part QUIC is unavailable, with the reason and a remedy', async () => {
  const { transport, facility } = await loadQuic(netConfig.parse({}), systemClock, () =>
    Promise.reject(new TypeError('Cannot find native binding')),
  )
  assert.equal(transport, undefined)
  assert.equal(facility.state, 'unavailable')
  assert.match(facility.reason ?? '', /Cannot find native binding/)
  assert.match(facility.remedy ?? '', /npm install/)
})
