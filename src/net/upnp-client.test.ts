/** UPnP against a gateway that keeps its word, and against those that do not. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FakeClock } from '../../test/support/fake-clock.ts'
import { hasCode, seededRandom } from '../base/index.ts'
import type { PortWanted, Route } from './portmap-lease.ts'
import { openUpnp, type UpnpDeps } from './upnp-client.ts'
import type { AskHttp, RouterResponse } from './upnp-http.ts'

const ROUTE: Route = { family: 4, router: '192.168.1.1', local: '192.168.1.7' }
const WANTED: PortWanted = {
  protocol: 'tcp',
  internalPort: 9_000,
  externalPort: 9_000,
  externalHost: undefined,
  lifetimeSeconds: 3_600,
}
const SERVICE = 'urn:schemas-upnp-org:service:WANIPConnection:1'
const DESCRIPTION = `<root><device><serviceList><service><serviceType>${SERVICE}</serviceType>
  <controlURL>/ctl</controlURL></service></serviceList></device></root>`
const { signal } = new AbortController()

type Fields = Readonly<Record<string, string>>
/** What the gateway does for an action: texts, or the number of an error. */
type Act = (action: string, args: Fields) => Fields | number | undefined

/** A gateway with a table of its own; `act` may do something else in its place. */
function setup(act: Act = () => undefined) {
  const table = new Map<string, Fields>()
  const log: string[] = []
  const state = { host: '5.9.77.100' }
  const honest: Act = (action, args) => {
    const key = `${args.NewProtocol} ${args.NewExternalPort}`
    if (action === 'GetExternalIPAddress') return { NewExternalIPAddress: state.host }
    if (action === 'AddPortMapping') table.set(key, args)
    if (action === 'DeletePortMapping' && !table.delete(key)) return 714
    if (action === 'GetSpecificPortMappingEntry') return table.get(key) ?? 714
    return {}
  }
  const askHttp: AskHttp = async (_route, { headers, body }) => {
    if (body === undefined) return { status: 200, body: DESCRIPTION }
    const action = headers.SOAPAction?.split('#')[1]?.slice(0, -1) ?? ''
    const args = Object.fromEntries(
      [...body.matchAll(/<(New\w+)>([^<]*)</g)].map(([, name = '', value = '']) => [name, value]),
    )
    log.push([action, args.NewExternalPort, args.NewLeaseDuration].join(' ').trim())
    return answer(action, act(action, args) ?? honest(action, args) ?? {})
  }
  const clock = new FakeClock()
  const deps: UpnpDeps = {
    clock,
    askHttp,
    random: seededRandom('upnp'),
    find: async () => new URL('http://192.168.1.1:5000/d.xml'),
  }
  return { deps, table, log, state, clock, open: () => openUpnp(deps, ROUTE, signal) }
}

function answer(action: string, said: Fields | number): RouterResponse {
  if (typeof said === 'number') {
    return { status: 500, body: `<Fault><errorCode>${said}</errorCode></Fault>` }
  }
  const texts = Object.entries(said).map(([name, value]) => `<${name}>${value}</${name}>`)
  return { status: 200, body: `<u:${action}Response>${texts.join('')}</u:${action}Response>` }
}

test('map() adds an entry for this machine and reads it back; unmap() deletes it', async () => {
  const { open, table } = setup()
  const client = await open()
  const grant = await client.map(WANTED, signal)
  const given = { externalHost: '5.9.77.100', externalPort: 9_000, lifetimeSeconds: 3_600 }
  assert.deepEqual(grant, { ...given, restarted: false })
  assert.equal(table.get('TCP 9000')?.NewInternalClient, ROUTE.local)
  await client.unmap(WANTED, signal)
  assert.equal(table.size, 0)
})

test('map() finds out a router that says yes and does nothing', async () => {
  const { open } = setup((action) => (action === 'AddPortMapping' ? {} : undefined))
  const client = await open()
  await assert.rejects(client.map(WANTED, signal), /says yes and does nothing/)
})

test('map() finds out a router that gave the port to somebody else, and leaves it to them', async () => {
  const entry = { NewInternalClient: '192.168.1.66', NewInternalPort: '9000' }
  const foreign: Act = (action) =>
    action === 'GetSpecificPortMappingEntry' ? { ...entry, NewLeaseDuration: '60' } : undefined
  const { open, log } = setup(foreign)
  const client = await open()
  await assert.rejects(client.map(WANTED, signal), /to somebody else/)
  await client.unmap(WANTED, signal)
  assert.ok(!log.some((line) => line.startsWith('Delete')))
})

test('map() takes another port when the one it wants is taken, a few times', async () => {
  let taken = 2
  const { open, log } = setup((action) => {
    if (action !== 'AddPortMapping' || taken === 0) return undefined
    taken -= 1
    return 718
  })
  const grant = await (await open()).map(WANTED, signal)
  assert.ok(grant.externalPort !== 9_000 && grant.externalPort >= 1_024)
  taken = 1_000
  await assert.rejects((await open()).map(WANTED, signal), /ports that were tried are taken/)
  assert.ok(log.filter((line) => line.startsWith('Add')).length < 10)
})

test('map() asks without an end where that is all the router can, and renews all the same', async () => {
  const { open, table } = setup((action, args) =>
    action === 'AddPortMapping' && args.NewLeaseDuration !== '0' ? 725 : undefined,
  )
  const grant = await (await open()).map(WANTED, signal)
  assert.equal(grant.lifetimeSeconds, WANTED.lifetimeSeconds)
  assert.equal(table.get('TCP 9000')?.NewLeaseDuration, '0')
})

test('map() is refused with the number that the router gave', async () => {
  const { open } = setup((action) => (action === 'AddPortMapping' ? 606 : undefined))
  await assert.rejects((await open()).map(WANTED, signal), /error 606/)
})

test('a lifetime longer than asked for is cut, one that is no number is taken as asked', async () => {
  const lives = ['4000000000', 'for ever', '-1', '60']
  const wanted = [3_600, 3_600, 3_600, 60]
  const found: number[] = []
  for (const NewLeaseDuration of lives) {
    const entry = { NewInternalClient: ROUTE.local, NewInternalPort: '9000', NewLeaseDuration }
    const { open } = setup((action) =>
      action === 'GetSpecificPortMappingEntry' ? entry : undefined,
    )
    found.push((await (await open()).map(WANTED, signal)).lifetimeSeconds)
  }
  assert.deepEqual(found, wanted)
})

test('hasRestarted() misses an entry that is gone, and sees a new address', async () => {
  const { open, table, state } = setup()
  const client = await open()
  await client.map(WANTED, signal)
  assert.equal(await client.hasRestarted(signal), false)
  state.host = '5.9.77.101'
  assert.equal(await client.hasRestarted(signal), true)
  table.clear()
  assert.equal(await client.hasRestarted(signal), true)
})

test('openUpnp() refuses a router without an uplink, a description or an answer', async () => {
  const bad = (error: unknown) => hasCode(error, 'NET_ROUTER_UNUSABLE')
  for (const host of ['', '0', 'javascript:1', '1.2.3.4.5', '999.1.1.1', '::1']) {
    const { open } = setup((action) =>
      action === 'GetExternalIPAddress' ? { NewExternalIPAddress: host } : undefined,
    )
    await assert.rejects(open(), bad)
  }
  const { deps } = setup()
  for (const body of ['', 'x', '<root/>', DESCRIPTION.replace('/ctl', 'http://127.0.0.1/')]) {
    const askHttp = async () => ({ status: 200, body })
    await assert.rejects(openUpnp({ ...deps, askHttp }, ROUTE, signal), bad)
  }
  await assert.rejects(
    openUpnp({ ...deps, find: async () => undefined }, ROUTE, signal),
    /no answer/,
  )
})

test('a router that never ends its answer costs five seconds', async () => {
  const { deps, clock } = setup()
  const askHttp: AskHttp = (_route, _asked, until) =>
    new Promise((_, reject) => until.addEventListener('abort', () => reject(until.reason as Error)))
  const opening = openUpnp({ ...deps, askHttp }, ROUTE, signal)
  const failed = assert.rejects(opening, /no answer in time/)
  await clock.advance(5_000)
  await failed
  assert.equal(clock.waiting, 0)
})
