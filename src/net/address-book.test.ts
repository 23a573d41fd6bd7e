import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FakeClock } from '../../test/support/fake-clock.ts'
import { seededRandom } from '../base/index.ts'
import { generateKeys } from '../identity/index.ts'
import { AddressBook } from './address-book.ts'

const random = seededRandom('address book')
const someone = () => generateKeys(random).signer.peer
const victim = someone()
const many = (prefix: string) => Array.from({ length: 100 }, (_, i) => `/${prefix}/${i}`)

function setup() {
  const clock = new FakeClock()
  return { clock, book: new AddressBook({ peersMax: 10, ageMaxMs: 1_000 }, clock) }
}

test('a liar with a hundred addresses does not push out what others say', () => {
  const { book } = setup()
  book.learn(victim, ['/true/1', '/true/2'], someone())
  const liar = someone()
  for (let i = 0; i < 10; i += 1) book.learn(victim, many(`lie-${i}`), liar)
  const known = book.of(victim)
  assert.deepEqual(known.slice(0, 4), ['/lie-9/0', '/true/1', '/lie-9/1', '/true/2'])
  assert.equal(known.length, 10)
})

test('the list stays bounded however many sources there are', () => {
  const { book } = setup()
  for (let i = 0; i < 50; i += 1) book.learn(victim, many(`source-${i}`), someone())
  assert.equal(book.of(victim).length, 32)
  assert.equal(book.of(victim)[0], '/source-49/0')
})

test('addresses expire, and the least used peer makes room', async () => {
  const { book, clock } = setup()
  book.learn(victim, ['/a'], someone())
  await clock.advance(1_001)
  assert.deepEqual(book.of(victim), [])
  book.learn(victim, ['/a'], someone())
  for (let i = 0; i < 10; i += 1) book.learn(someone(), ['/b'], someone())
  assert.deepEqual(book.of(victim), [])
})
