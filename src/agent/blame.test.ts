import assert from 'node:assert/strict'
import { test } from 'node:test'
import { blameFor } from './blame.ts'

const on = (route: 'direct' | 'gossip' | 'mailbox') => ({ route })

test('forgeries weigh most, then what is not let in, then what is too much', () => {
  const points = (code: string) => blameFor(code, on('direct'))?.points ?? 0
  const weights = [
    'AGENT_SIGNATURE_INVALID',
    'AGENT_ENVELOPE_INVALID',
    'AGENT_SENDER_REFUSED',
    'AGENT_SENDER_RATE',
  ].map(points)
  assert.deepEqual(weights, [40, 10, 5, 1])
  // Three forgeries, and the peer is not heard; whoever is not let in stays heard.
  assert.ok((blameFor('AGENT_SIGNATURE_INVALID', on('gossip'))?.max ?? 0) > 80)
  assert.ok((blameFor('AGENT_SENDER_REFUSED', on('gossip'))?.max ?? 99) < 50)
})

test('what honest nodes can bring about is held against nobody, nor what keepers were given', () => {
  const innocent = ['AGENT_EXPIRED', 'AGENT_FROM_FUTURE', 'AGENT_PRE_KEY_GONE', 'AGENT_INBOX_FULL']
  const other = ['AGENT_OTHER_NETWORK', 'AGENT_OTHER_RECIPIENT', 'AGENT_REPLAYED', 'BASE_BUG']
  for (const code of [...innocent, ...other]) assert.equal(blameFor(code, on('direct')), undefined)
  assert.equal(blameFor('AGENT_SIGNATURE_INVALID', on('mailbox')), undefined)
})
