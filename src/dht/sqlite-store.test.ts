import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { after, test } from 'node:test'
import { testRecordStorage } from '../../test/contract/record-storage.ts'
import { signerOf } from '../../test/support/dht-fixture.ts'
import { coded } from '../../test/support/expect.ts'
import { utf8 } from '../base/index.ts'
import { dhtKey } from './key.ts'
import { SqliteStore } from './sqlite-store.ts'

const folder = mkdtempSync(join(tmpdir(), 'dht-store-'))
after(() => rmSync(folder, { recursive: true }))
let files = 0
const newFile = () => {
  files += 1
  return join(folder, `${files}.sqlite`)
}

testRecordStorage('SqliteStore in memory', () => new SqliteStore(':memory:'))
testRecordStorage('SqliteStore in a file', () => new SqliteStore(newFile()))

const peer = signerOf(1).peer
const record = (name: string, size = 5) => ({
  key: dhtKey(utf8(name)),
  bytes: new Uint8Array(size),
  publisher: peer,
  distance: dhtKey(utf8(name)),
  receivedMs: 1,
  expiresMs: 1_000,
})

test('what was stored is there after closing and opening, and counted', () => {
  const file = newFile()
  const first = new SqliteStore(file)
  first.put(record('a'))
  first.putProvider({ key: dhtKey(utf8('x')), peer, expiresMs: 9 })
  first.close()
  first.close()
  const second = new SqliteStore(file)
  assert.deepEqual(second.get(record('a').key), record('a'))
  assert.deepEqual(second.usage(), { records: 1, bytes: 5 })
  assert.equal(second.providerCount(), 1)
  second.close()
})

test('a file that is no database says what to do', () => {
  const file = newFile()
  writeFileSync(file, 'this is a letter, not a database. '.repeat(200))
  assert.throws(() => new SqliteStore(file), coded('DHT_STORE_BROKEN'))
  assert.throws(() => new SqliteStore(file), /Move the file away/)
})

test('a database with damaged pages says what to do', () => {
  const file = newFile()
  const store = new SqliteStore(file)
  for (let i = 0; i < 50; i += 1) store.put(record(`${i}`, 2_000))
  store.close()
  const pages = new DatabaseSync(file)
  const bytes = Buffer.from(pages.serialize())
  pages.close()
  writeFileSync(file, bytes.fill(0x5a, 8_192, 40_960))
  assert.throws(() => new SqliteStore(file), coded('DHT_STORE_BROKEN'))
})

test('a database of a later version is left alone', () => {
  const file = newFile()
  const later = new DatabaseSync(file)
  later.exec('PRAGMA user_version = 2')
  later.close()
  assert.throws(() => new SqliteStore(file), coded('DHT_STORE_TOO_NEW'))
})

test('a file that cannot be made says why', () => {
  const file = join(folder, 'missing', 'records.sqlite')
  assert.throws(() => new SqliteStore(file), coded('DHT_STORE_FAILED'))
})
