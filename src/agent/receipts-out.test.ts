import assert from 'node:assert/strict'
import { test } from 'node:test'
import { silentLog } from '../base/index.ts'
import { signerFromSeed } from '../identity/index.ts'
import { ReceiptsOut } from './receipts-out.ts'

const BOB = signerFromSeed(new Uint8Array(32).fill(2)).peer

test('a receipt that several messages share goes once, and one that is lost is left behind', async () => {
  const tried: string[] = []
  let isAway = false
  const mailbox = {
    store: async () => {
      tried.push('stored')
      return { stored: 1, of: 1, by: [] }
    },
  }
  const ways = {
    mailbox,
    deliver: async () => {
      tried.push('delivered')
      if (isAway) throw new TypeError('away')
      return null
    },
    gossip: async () => {
      tried.push('told')
      return true
    },
  }
  const out = new ReceiptsOut({ ways, log: silentLog })
  const shared = new Uint8Array([1])
  for (let i = 0; i < 3; i += 1) out.send(BOB, shared)
  await new Promise((resolve) => setImmediate(resolve))
  assert.deepEqual(tried.splice(0), ['delivered'])
  isAway = true
  out.send(BOB, new Uint8Array([1]))
  await new Promise((resolve) => setImmediate(resolve))
  assert.deepEqual(tried.splice(0), ['delivered', 'told', 'stored'])
  await out.stop()
  out.send(BOB, new Uint8Array([2]))
  assert.deepEqual(tried, [])
})
