import assert from 'node:assert/strict'
import { test } from 'node:test'
import { utf8 } from '../base/index.ts'
import type { PeerId } from '../identity/index.ts'
import { type GatherDeps, gatherProviders } from './gather.ts'
import type { SearchReport } from './search.ts'
import { ADDRESSES_MAX, type PeerInfo } from './wire.ts'

const peerOf = (name: string) => `peer ${name}` as PeerId
const report = { failed: [], complete: true } as unknown as SearchReport

/** A search in which each answer names these providers. */
function gather(answers: readonly (readonly PeerInfo[])[]) {
  const learnt: PeerId[] = []
  const deps: GatherDeps = {
    self: peerOf('self'),
    host: { addressesOf: async () => [] },
    questions: { learn: async (peer) => void learnt.push(peer) },
    search: {
      run: async (_message, options) => {
        for (const [i, providers] of answers.entries()) {
          options?.onAnswer?.(peerOf(`source ${i}`), { type: 'getProviders', providers })
        }
        return report
      },
    },
  }
  return { learnt, found: gatherProviders(deps, utf8('key'), [], {}) }
}

test('liars that name providers without end are heard up to 512 of them', async () => {
  const answers = Array.from({ length: 100 }, (_, i) =>
    Array.from({ length: 20 }, (__, j) => ({ peer: peerOf(`${i} ${j}`), addresses: [] })),
  )
  const { providers } = await gather(answers).found
  assert.equal(providers.length, 512)
})

test('of one provider the addresses that eight tell are noted, however many tell some', async () => {
  const one = { peer: peerOf('one'), addresses: ['/ip4/192.0.2.1/tcp/9000'] }
  const { learnt, found } = gather(Array.from({ length: 50 }, () => [one]))
  assert.deepEqual((await found).providers, [{ peer: one.peer, addresses: [] }])
  assert.equal(learnt.length, ADDRESSES_MAX)
})
