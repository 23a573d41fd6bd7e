import assert from 'node:assert/strict'
import { test } from 'node:test'
import { coded } from '../../test/support/expect.ts'
import { type Names, resolveAddress } from './names.ts'
import { parseMultiaddr } from './transports.ts'

const PEER = '12D3KooWJwao3iRnuKRGZeYbvLhm1v4SV7PDQ8S7w1zsLXozpMeg'
const OTHER = '12D3KooWK99VoVxNE7XzyBwXEzW7xhK7Gpv85r9F3V3fyKSUKPH5'

/** A name system from a table; counts what it is asked. */
function setup(table: Record<string, readonly string[]>) {
  const asked: string[] = []
  const answer = async (name: string) => {
    asked.push(name)
    const found = table[name]
    if (found === undefined) throw new TypeError(`queryTxt ENOTFOUND ${name}`)
    return found
  }
  const names: Names = { texts: answer, addresses: answer }
  const resolve = async (text: string) => {
    const found = await resolveAddress(parseMultiaddr(text), names)
    return found.map(({ text: route, peer }) => (peer === undefined ? route : `${route} ${peer}`))
  }
  return { resolve, asked }
}

test('an address without a name stands for itself', async () => {
  const { resolve, asked } = setup({})
  assert.deepEqual(await resolve('/ip4/9.9.9.9/tcp/1'), ['/ip4/9.9.9.9/tcp/1'])
  assert.deepEqual(asked, [])
})

test('/dnsaddr/ stands for its records, through further names, of the wanted peer only', async () => {
  const { resolve } = setup({
    '_dnsaddr.example.org': [
      `dnsaddr=/dnsaddr/eu.example.org/p2p/${PEER}`,
      `dnsaddr=/ip4/9.9.9.9/tcp/1/p2p/${OTHER}`,
      'v=spf1 -all',
      'dnsaddr=rubbish',
    ],
    '_dnsaddr.eu.example.org': ['dnsaddr=/dns6/host.example.org/udp/1/quic-v1'],
    'host.example.org': ['2001:db8::1'],
  })
  assert.deepEqual(await resolve(`/dnsaddr/example.org/p2p/${PEER}`), [
    `/ip6/2001:db8::1/udp/1/quic-v1 ${PEER}`,
  ])
  assert.deepEqual(await resolve('/dnsaddr/example.org'), [
    `/ip4/9.9.9.9/tcp/1 ${OTHER}`,
    `/ip6/2001:db8::1/udp/1/quic-v1 ${PEER}`,
  ])
})

test('names that lead in a circle end after four steps', async () => {
  const { resolve, asked } = setup({ '_dnsaddr.a.org': ['dnsaddr=/dnsaddr/a.org'] })
  await assert.rejects(resolve('/dnsaddr/a.org'), coded('NET_NAME_UNRESOLVED'))
  assert.equal(asked.length, 4)
})

test('a name that stands for thousands of names costs 16 queries and gives 16 addresses', async () => {
  const fan = Array.from({ length: 1_000 }, (_, i) => `dnsaddr=/dnsaddr/n${i}.org`)
  const table: Record<string, readonly string[]> = { '_dnsaddr.bomb.org': fan }
  for (let i = 0; i < 1_000; i += 1) {
    table[`_dnsaddr.n${i}.org`] = Array.from(
      { length: 100 },
      (_, j) => `dnsaddr=/ip4/9.9.9.${j}/tcp/${i + 1}`,
    )
  }
  const { resolve, asked } = setup(table)
  assert.equal((await resolve('/dnsaddr/bomb.org')).length, 16)
  assert.ok(asked.length <= 16)
})

test('a name that does not resolve says which', async () => {
  const { resolve } = setup({})
  await assert.rejects(resolve('/dns4/nowhere.example/tcp/1'), /nowhere.example.*ENOTFOUND/)
})
