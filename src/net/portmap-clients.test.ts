/** PCP and NAT-PMP against routers that answer as they should, and against liars. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FakeClock } from '../../test/support/fake-clock.ts'
import { natPmpAnswerTo, pcpAnswerTo } from '../../test/support/fake-router.ts'
import { hasCode, seededRandom } from '../base/index.ts'
import { NatPmpClient } from './nat-pmp-client.ts'
import { PcpClient } from './pcp-client.ts'
import type { Exchange } from './portmap-exchange.ts'
import type { PortWanted, Route } from './portmap-lease.ts'

const ROUTE: Route = { family: 4, router: '192.168.1.1', local: '192.168.1.7' }
const WANTED: PortWanted = {
  protocol: 'udp',
  internalPort: 9_001,
  externalPort: 9_001,
  externalHost: undefined,
  lifetimeSeconds: 3_600,
}
const { signal } = new AbortController()

type Router = (request: Uint8Array) => readonly Uint8Array[]

/** A router in place of a socket: what it answers is read as it would be. */
function setup(router: Router) {
  const asked: Buffer[] = []
  const clock = new FakeClock(1_000_000)
  const exchange: Exchange = {
    async ask(request, read) {
      asked.push(Buffer.from(request))
      return router(request)
        .map(read)
        .find((answer) => answer !== undefined)
    },
    close() {},
  }
  const deps = { clock, random: seededRandom('portmap') }
  return {
    asked,
    clock,
    pcp: new PcpClient(deps, ROUTE, exchange),
    natPmp: new NatPmpClient(deps, ROUTE, exchange),
  }
}

const unusable = (error: unknown) => hasCode(error, 'NET_ROUTER_UNUSABLE')
const refused = (error: unknown) => hasCode(error, 'NET_MAPPING_REFUSED')

test('pcp: map() takes what the router gives, unmap() gives it back with the same nonce', async () => {
  const given = { externalHost: '5.9.77.100', externalPort: 40_000, lifetimeSeconds: 120 }
  const { pcp, asked } = setup((request) => [pcpAnswerTo(request, given)])
  assert.deepEqual(await pcp.map(WANTED, signal), { ...given, restarted: false })
  await pcp.unmap(WANTED, signal)
  assert.deepEqual(asked[0]?.subarray(24, 36), asked[1]?.subarray(24, 36))
  assert.equal(asked[1]?.readUInt32BE(4), 0)
})

test('pcp: answers with another nonce, port or protocol are not heard', async () => {
  const nonce = new Uint8Array(12).fill(7)
  const bent = (request: Uint8Array, at: number) => {
    const answer = pcpAnswerTo(request)
    answer[at] = (answer[at] ?? 0) ^ 1
    return answer
  }
  const { pcp } = setup((request) => [
    pcpAnswerTo(request, { nonce }),
    bent(request, 41),
    bent(request, 36),
    request,
    new Uint8Array(60),
  ])
  await assert.rejects(pcp.map(WANTED, signal), unusable)
})

test('pcp: a refusal says why, and port 0 is none', async () => {
  const says = [{ result: 8 }, { externalPort: 0 }]
  const { pcp } = setup((request) => [pcpAnswerTo(request, says.shift())])
  await assert.rejects(pcp.map(WANTED, signal), /no room for more mappings/)
  await assert.rejects(pcp.map(WANTED, signal), refused)
})

test('pcp: a router that speaks NAT-PMP alone is unusable at once', async () => {
  const { pcp } = setup(() => [Buffer.from('0080000100000064', 'hex')])
  await assert.rejects(pcp.map(WANTED, signal), /speaks version 0 alone/)
})

test('pcp: a clock that begins again tells of a restart', async () => {
  let epochSeconds = 5_000
  const { pcp, clock } = setup((request) => [pcpAnswerTo(request, { epochSeconds })])
  assert.equal((await pcp.map(WANTED, signal)).restarted, false)
  await clock.advance(60_000)
  epochSeconds += 60
  assert.equal(await pcp.hasRestarted(signal), false)
  await clock.advance(60_000)
  epochSeconds = 3
  assert.equal(await pcp.hasRestarted(signal), true)
  assert.equal(await pcp.hasRestarted(signal), false)
})

test('nat-pmp: map() asks for the address and the port, unmap() gives back', async () => {
  const given = { externalPort: 40_000, lifetimeSeconds: 120 }
  const { natPmp, asked } = setup((request) => [natPmpAnswerTo(request, given)])
  const externalHost = '5.9.77.100'
  assert.deepEqual(await natPmp.map(WANTED, signal), { ...given, externalHost, restarted: false })
  await natPmp.unmap(WANTED, signal)
  assert.deepEqual(asked.at(-1), Buffer.from('000100002329000000000000', 'hex'))
})

test('nat-pmp: answers about another port or another question are not heard', async () => {
  const { natPmp } = setup((request) =>
    request[1] === 0
      ? [natPmpAnswerTo(request)]
      : [
          natPmpAnswerTo(request, { internalPort: 1 }),
          natPmpAnswerTo(Uint8Array.of(0, 0)),
          natPmpAnswerTo(Uint8Array.of(0, 2, 0, 0, 0x23, 0x29, 0, 0, 0, 0, 0, 0)),
        ],
  )
  await assert.rejects(natPmp.map(WANTED, signal), unusable)
})

test('nat-pmp: refusals say why', async () => {
  const noAddress = setup((request) => [natPmpAnswerTo(request, { result: 3 })])
  await assert.rejects(noAddress.natPmp.map(WANTED, signal), /its uplink is down/)
  const noPort = setup((request) => [
    natPmpAnswerTo(request, request[1] === 0 ? {} : { result: 4 }),
  ])
  await assert.rejects(noPort.natPmp.map(WANTED, signal), refused)
})

test('nat-pmp: a clock that begins again or a new address tell of a restart', async () => {
  const says = { epochSeconds: 5_000, externalHost: '5.9.77.100' }
  const { natPmp, clock } = setup((request) => [natPmpAnswerTo(request, says)])
  await natPmp.map(WANTED, signal)
  await clock.advance(60_000)
  says.epochSeconds = 5_060
  assert.equal(await natPmp.hasRestarted(signal), false)
  says.externalHost = '5.9.77.101'
  assert.equal(await natPmp.hasRestarted(signal), true)
  says.epochSeconds = 1
  assert.equal(await natPmp.hasRestarted(signal), true)
})
