/**
 * What is asked of a mailbox, and what a keeper answers, as noise and as bent truth: it is read
 * whole or refused with a coded error, and what is read stays within its bounds.
 */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import {
  ACKS_MAX,
  PAGE_MAILS_MAX,
  readAck,
  readPage,
  readPut,
  readPutAnswer,
  readTake,
} from '../../src/agent/mailbox-protocol.ts'
import { ENVELOPE_BYTES_MAX } from '../../src/agent/protocol.ts'
import { CodedError } from '../../src/base/index.ts'
import type { Cbor } from '../../src/wire/index.ts'
import { CASES, SEED } from '../support/fuzz.ts'
import { boundTo, nodeOf } from '../support/mail.ts'

const { address, binding } = await boundTo(1, 0)
const leaf: fc.Arbitrary<Cbor> = fc.oneof(
  fc.constantFrom<Cbor>(nodeOf(1).peer, address, binding, 'kept', 'work', null, true, -1),
  fc.nat(),
  fc.string({ maxLength: 60 }),
  fc.uint8Array({ maxLength: 64 }),
)
const { tree } = fc.letrec<{ tree: Cbor }>((tie) => ({
  tree: fc.oneof({ maxDepth: 3 }, leaf, fc.array(tie('tree'), { maxLength: 80 })),
}))
const payload = fc.oneof(tree, fc.array(tree, { minLength: 2, maxLength: 3 }))

function readOrRefuse<T>(read: () => T): T | undefined {
  try {
    return read()
  } catch (error) {
    assert.ok(error instanceof CodedError, String(error))
    return undefined
  }
}

test(`questions and answers of mailboxes are read or refused (seed ${SEED})`, () => {
  fc.assert(
    fc.property(payload, fc.nat(), (said, after) => {
      const put = readOrRefuse(() => readPut(said))
      assert.ok((put?.envelope.length ?? 0) <= ENVELOPE_BYTES_MAX)
      const hashes = readOrRefuse(() => readAck(said))?.hashes ?? []
      assert.ok(hashes.length <= ACKS_MAX && hashes.every((hash) => hash.length <= 32))
      const take = readOrRefuse(() => readTake(said))
      assert.ok((take?.binding?.length ?? 0) <= 512)
      readOrRefuse(() => readPutAnswer(said))
      const page = readOrRefuse(() => readPage(said, after % 4))
      assert.ok((page?.mails.length ?? 0) <= PAGE_MAILS_MAX)
      let last = after % 4
      for (const { number } of page?.mails ?? []) {
        assert.ok(number > last)
        last = number
      }
    }),
    { numRuns: CASES, seed: SEED },
  )
})
