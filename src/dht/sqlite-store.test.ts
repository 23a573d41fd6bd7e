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
  sender: peer,
  site: null,
  distance: dhtKey(utf8(name)),
  receivedMs: 1,
  expiresMs: 1_000,
})

test('what was stored is there after closing and opening, and counted', () => {
  const file = newFile()
  const first = new SqliteStore(file)
  first.put(record('a'))
  first.putProvider({ key: dhtKey(utf8('x')), peer, site: null, expiresMs: 9 })
  first.close()
  first.close()
  const second = new SqliteStore(file)
  assert.deepEqual(second.get(record('a').key), record('a'))
  assert.deepEqual(second.usage(), { records: 1, bytes: 5 })
  assert.equal(second.providerCount(), 1)
  assert.deepEqual(second.usageOf('sender', peer), { records: 1, bytes: 5 })
  assert.deepEqual(second.usageOf('publisher', peer), { records: 1, bytes: 5 })
  assert.equal(second.providerCountOf('peer', peer), 1)
  second.close()
})

test('a file of format 1 is taken over: who brought a record was not noted then', () => {
  const file = newFile()
  const old = new DatabaseSync(file)
  old.exec(`
    CREATE TABLE record (
      key BLOB PRIMARY KEY, bytes BLOB NOT NULL, size INTEGER NOT NULL, publisher TEXT NOT NULL,
      distance BLOB NOT NULL, received INTEGER NOT NULL, expires INTEGER NOT NULL
    ) STRICT;
    CREATE INDEX record_publisher ON record (publisher, size);
    CREATE TABLE provider (
      key BLOB NOT NULL, peer TEXT NOT NULL, expires INTEGER NOT NULL, PRIMARY KEY (key, peer)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX provider_peer ON provider (peer);
    PRAGMA user_version = 1;
  `)
  const { key, bytes, publisher, distance } = record('a')
  const insert = old.prepare('INSERT INTO record VALUES (?, ?, ?, ?, ?, ?, ?)')
  insert.run(key, bytes, bytes.length, publisher, distance, 1, 1_000)
  old.prepare('INSERT INTO provider VALUES (?, ?, ?)').run(key, peer, 9)
  old.close()
  for (let times = 0; times < 2; times += 1) {
    const store = new SqliteStore(file)
    assert.deepEqual(store.get(key), record('a'))
    assert.deepEqual(store.providers(key), [{ key, peer, site: null, expiresMs: 9 }])
    assert.deepEqual(store.usageOf('sender', peer), { records: 1, bytes: 5 })
    store.put(record('b'))
    store.delete(record('b').key)
    store.close()
  }
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
  later.exec('PRAGMA user_version = 3')
  later.close()
  assert.throws(() => new SqliteStore(file), coded('DHT_STORE_TOO_NEW'))
})

test('a file that cannot be made says why', () => {
  const file = join(folder, 'missing', 'records.sqlite')
  assert.throws(() => new SqliteStore(file), coded('DHT_STORE_FAILED'))
})
