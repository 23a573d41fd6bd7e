/**
 * A laptop that changes its network under a running channel: nothing that was confirmed is lost or
 * doubled, and it goes on in half a minute.
 *
 *   a ── [router, IPv4 and IPv6] ──┐
 *                                  ├── internet ── relay 5.9.77.10
 *   b ── open, or restricted ──────┘
 *
 * `a` writes a number every 20 ms, `b` sends each back; what happens to the uplink of `a` (or of
 * `b`) happens in the middle.
 */

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { setTimeout as wait } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { AskedProcess } from './asked-process.ts'
import { labUnavailable } from './namespaces.ts'
import { LabNode } from './node-process.ts'
import { Internet, type Site, type SiteOptions } from './topology.ts'
import { A, B, RELAY } from './world.ts'

const unavailable = labUnavailable()
// In CI a lab that cannot run fails; elsewhere it says why.
const skip = process.env.CI === undefined && unavailable !== undefined ? unavailable : false

const PROGRAM = fileURLToPath(new URL('channel-peer.ts', import.meta.url))
const RESUMED_WITHIN_MS = 30_000
const EVERY_MS = 20
/** Before the change, and after it: whatever is to be noticed is noticed then. */
const [BEFORE_MS, AFTER_MS] = [2_000, 20_000]
const DOWN_MS = 10_000
const GATEWAY6 = 'fe80::1'

interface ChannelReport {
  readonly written: number
  readonly echoed: number
  readonly doubled: number
  readonly disordered: number
  readonly longestMs: number
  readonly failures: readonly string[]
}

type Change = (site: Site) => Promise<void>

const BOTH: SiteOptions = { nat: 'restricted', ...A }

/** What happens; the first of them where there is no IPv6 to fall back to. */
const CHANGES: Readonly<Record<string, Change>> = {
  'another address': async ({ host, hostIp4 = '' }) => {
    const gateway = hostIp4.replace(/\d+$/, '1')
    host.ip('address', 'delete', `${hostIp4}/24`, 'dev', 'eth0')
    host.ip('address', 'add', `${hostIp4.replace(/\d+$/, '3')}/24`, 'dev', 'eth0')
    host.ip('route', 'replace', 'default', 'via', gateway, 'dev', 'eth0', 'onlink')
  },
  'IPv6 in place of IPv4': async ({ host, hostIp4 = '' }) => {
    host.ip('address', 'delete', `${hostIp4}/24`, 'dev', 'eth0')
  },
  'a link that is down for ten seconds': async ({ host, hostIp4 = '' }) => {
    host.ip('link', 'set', 'eth0', 'down')
    await wait(DOWN_MS)
    host.ip('link', 'set', 'eth0', 'up')
    // The routes went with the link; a DHCP client brings them back.
    const gateway = hostIp4.replace(/\d+$/, '1')
    host.ip('route', 'replace', 'default', 'via', gateway, 'dev', 'eth0', 'onlink')
    host.ip('-6', 'address', 'replace', `${A.ip6}/128`, 'dev', 'eth0')
    host.ip('-6', 'route', 'replace', 'default', 'via', GATEWAY6, 'dev', 'eth0')
  },
}

const OTHERS: Readonly<Record<string, SiteOptions>> = {
  'in the open': { nat: 'none', ...B, router: 'open' },
  'behind a NAT': { nat: 'restricted', ...B },
}

// Most of each is waiting, in namespaces of its own.
describe('a channel', { concurrency: 3 }, () => {
  for (const [where, b] of Object.entries(OTHERS)) {
    for (const [what, change] of Object.entries(CHANGES)) {
      test(`${what}: a channel to a peer ${where} goes on, with nothing lost or doubled`, {
        skip,
      }, async (t) => {
        const isOnly4 = what === 'another address'
        const a = isOnly4 ? { nat: BOTH.nat, ip4: A.ip4 } : BOTH
        const report = await carried({ a, b }, change)
        t.diagnostic(`${report.written} numbers, the longest wait ${report.longestMs} ms`)
        assert.deepEqual(report.failures, [])
        assert.equal(report.echoed, report.written, 'none is lost')
        assert.equal(report.doubled, 0, 'none came twice')
        assert.equal(report.disordered, 0, 'all came in order')
        assert.ok(report.longestMs < RESUMED_WITHIN_MS, `resumed after ${report.longestMs} ms`)
      })
    }
  }
})

async function carried(
  { a: changing, b: other }: { readonly a: SiteOptions; readonly b: SiteOptions },
  change: Change,
): Promise<ChannelReport> {
  await using opened = new AsyncDisposableStack()
  const internet = opened.use(new Internet())
  const sites = {
    relay: await internet.host('relay', RELAY),
    a: await internet.site('a', changing),
    b: await internet.site('b', other),
  }
  const announce = [`/ip4/${RELAY.ip4 ?? ''}/tcp/9000`, `/ip6/${RELAY.ip6 ?? ''}/tcp/9000`]
  const relay = opened.use(
    await LabNode.start(sites.relay.host, {
      dataDir: internet.folder('relay'),
      toml: `[network]\nrelay_server = "always"\nannounce_addresses = ${JSON.stringify(announce)}\n`,
    }),
  )
  const known = announce.map((address) => `${address}/p2p/${relay.peerId}`)
  const program = (name: 'a' | 'b') =>
    new AskedProcess(sites[name].host, [PROGRAM, internet.folder(name), ...known])
  const [a, b] = [program('a'), program('b')]
  const peer = await b.heard((told) => (told as { peer?: string }).peer, 15_000)
  assert.ok(peer !== undefined, 'b runs')
  await b.ask({ serve: true })
  await a.ask({ open: peer, everyMs: EVERY_MS })
  await wait(BEFORE_MS)
  await change(sites.a)
  await wait(AFTER_MS)
  return (await a.ask({ stop: true })) as ChannelReport
}
