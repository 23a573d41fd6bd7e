import assert from 'node:assert/strict'
import { test } from 'node:test'
import { utf8 } from '../base/index.ts'
import { addressFromBytes, addressToBytes } from './multiaddrs.ts'

/** The bytes of /dns4/<name>: code 0x36, length, name. */
const dns4 = (name: string) => Uint8Array.of(0x36, name.length, ...utf8(name))

test('an address comes back from its bytes without the peer id at its end', () => {
  const address = '/ip6/2001:db8::1/udp/9001/quic-v1'
  const peer = '12D3KooWC1HP1MZkY3fKu6TWqMuZ635f6odGqJLySLjN2nVtwgry'
  assert.equal(addressFromBytes(addressToBytes(address) ?? assert.fail()), address)
  assert.equal(addressFromBytes(addressToBytes(`${address}/p2p/${peer}`) ?? assert.fail()), address)
  assert.equal(addressFromBytes(dns4('a.example')), '/dns4/a.example')
})

test('bytes whose text would be read as another address are none', () => {
  for (const name of ['a/tcp/1', 'jN2/a', 'a b', 'a\n', '']) {
    assert.equal(addressFromBytes(dns4(name)), undefined, JSON.stringify(name))
  }
})
