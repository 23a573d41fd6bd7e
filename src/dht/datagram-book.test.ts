import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { PeerId } from '../identity/index.ts'
import { DatagramBook, SILENT_MS } from './datagram-book.ts'

const peerOf = (name: number | string) => `peer ${name}` as PeerId
const alice = peerOf('alice')
const at = (host: number) => ({
  host: `192.0.2.${host}`,
  port: 9_000,
  address: `/ip4/192.0.2.${host}/udp/9000`,
})
const endpoint = ({ host, port }: ReturnType<typeof at>) => ({ host, port })
const ports = { tcp: 9_000, quic: 9_001 }
const cookie = new Uint8Array(16).fill(1)

test('what a peer proved goes before what others tell of it', () => {
  const book = new DatagramBook()
  book.told(alice, at(1))
  assert.deepEqual(book.addressOf(alice, 0), at(1))
  book.spoke(alice, at(2), ports)
  book.told(alice, at(3))
  assert.deepEqual(book.addressOf(alice, 0), at(2))
  assert.deepEqual(book.known(alice), at(2))
  assert.deepEqual(book.provenOf(alice), { ...endpoint(at(2)), ...ports })
})

test('of what is told the newest two are kept', () => {
  const book = new DatagramBook()
  for (const host of [1, 2, 3, 3]) book.told(alice, at(host))
  const seen: unknown[] = []
  for (let i = 0; i < 3; i += 1) {
    const next = book.addressOf(alice, 0)
    seen.push(next?.host)
    if (next !== undefined) book.silent(alice, next, 0)
  }
  assert.deepEqual(seen, ['192.0.2.3', '192.0.2.2', undefined])
})

test('a peer that answers nowhere is left alone for a while, or until it speaks', () => {
  const book = new DatagramBook()
  book.told(alice, at(1))
  book.silent(alice, at(1), 1_000)
  assert.equal(book.addressOf(alice, 1_000), undefined)
  assert.equal(book.addressOf(alice, 999 + SILENT_MS), undefined)
  assert.deepEqual(book.addressOf(alice, 1_000 + SILENT_MS), at(1))
  book.silent(alice, at(1), 1_000)
  // The clock was set back by hours.
  assert.deepEqual(book.addressOf(alice, -10 * SILENT_MS), at(1))
  book.spoke(alice, at(1), ports)
  assert.deepEqual(book.addressOf(alice, 1_000), at(1))
})

test('a peer that is silent is asked at once where it is newly told to be', () => {
  const book = new DatagramBook()
  book.told(alice, at(1))
  book.silent(alice, at(1), 1_000)
  book.told(alice, at(1))
  assert.equal(book.addressOf(alice, 1_000), undefined, 'the same once more is no news')
  book.told(alice, at(2))
  assert.deepEqual(book.addressOf(alice, 1_000), at(2))

  const bob = peerOf('bob')
  book.spoke(bob, at(3), ports)
  book.silent(bob, at(3), 1_000)
  book.told(bob, at(3))
  assert.equal(book.addressOf(bob, 1_000), undefined)
  book.told(bob, at(4))
  assert.deepEqual(book.addressOf(bob, 1_000), at(4))
  book.silent(bob, at(4), 1_000)
  assert.equal(book.addressOf(bob, 1_000)?.host, at(3).host, 'where it spoke is not forgotten')
})

test('of a cookie nothing is kept but its bytes', () => {
  const book = new DatagramBook()
  const packet = new Uint8Array(1_232)
  book.answered(alice, at(1), { ports, cookie: packet.subarray(26, 42), rttMs: 10 })
  assert.equal(book.cookieOf(alice)?.buffer.byteLength, 16)
})

test('a cookie is for the address that it was given for', () => {
  const book = new DatagramBook()
  book.answered(alice, at(1), { ports, cookie, rttMs: 10 })
  assert.deepEqual(book.cookieOf(alice), cookie)
  book.spoke(alice, at(1), ports)
  assert.deepEqual(book.cookieOf(alice), cookie)
  book.spoke(alice, at(2), ports)
  assert.equal(book.cookieOf(alice), undefined)
})

test('patience follows the round trip, within bounds', () => {
  const book = new DatagramBook()
  const answered = (rttMs: number) => book.answered(alice, at(1), { ports, cookie, rttMs })
  assert.equal(book.patienceMs(alice), 250)
  answered(200)
  assert.equal(book.patienceMs(alice), 600)
  for (let i = 0; i < 100; i += 1) answered(200)
  assert.ok(book.patienceMs(alice) < 205)
  for (let i = 0; i < 100; i += 1) answered(0)
  assert.equal(book.patienceMs(alice), 200)
  for (let i = 0; i < 100; i += 1) answered(5_000)
  assert.equal(book.patienceMs(alice), 1_000)
})

test('of whom nothing is known an answer is waited for as long as those of others take', () => {
  const book = new DatagramBook()
  for (let i = 0; i < 100; i += 1) {
    book.answered(peerOf(i % 10), at(1), { ports, cookie, rttMs: 600 })
  }
  const patienceMs = book.patienceMs(alice)
  assert.ok(patienceMs >= 600 && patienceMs <= 1_000, String(patienceMs))
  for (let i = 0; i < 100; i += 1) book.answered(peerOf(i), at(1), { ports, cookie, rttMs: 5 })
  assert.equal(book.patienceMs(alice), 250)
})

test('a peer that used to answer is left alone only after three silences in a row', () => {
  const book = new DatagramBook()
  book.answered(alice, at(1), { ports, cookie, rttMs: 5 })
  for (const answer of [false, false, true, false, false]) {
    if (answer) book.answered(alice, at(1), { ports, cookie, rttMs: 5 })
    else book.silent(alice, at(1), 0)
    assert.equal(book.addressOf(alice, 0)?.port, at(1).port)
    assert.equal(book.answers(alice), true)
  }
  book.silent(alice, at(1), 0)
  assert.equal(book.addressOf(alice, 0), undefined)
  assert.equal(book.answers(alice), false)
})

test('peers are bounded, and who only asks pushes out nobody who answered', () => {
  const book = new DatagramBook()
  book.answered(alice, at(1), { ports, cookie, rttMs: 10 })
  for (let i = 0; i < 100_000; i += 1) book.spoke(peerOf(i), at(2), ports)
  assert.equal(book.size, 1_025)
  assert.deepEqual(book.addressOf(alice, 0), at(1))
  assert.ok(book.answers(alice))
  for (let i = 0; i < 10_000; i += 1) {
    book.answered(peerOf(i), at(2), { ports, cookie, rttMs: 10 })
  }
  assert.ok(book.size <= 4_096 + 1_024)
})
