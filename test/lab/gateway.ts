/**
 * A router that maps ports: miniupnpd in the router's namespace of a site, with PCP, NAT-PMP and
 * UPnP switched on and off. What it mapped is read from the rules of its kernel, not from it.
 */

import { type ChildProcess, execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Namespace } from './namespaces.ts'

/** What the router speaks. miniupnpd has one switch for PCP and NAT-PMP. */
export interface GatewayOptions {
  readonly natPmp: boolean
  readonly upnp: boolean
}

/** The chains that miniupnpd's nftables build writes into. */
const CHAINS = `
table inet filter {
 chain forward { type filter hook forward priority 1; policy accept; jump miniupnpd
 }
 chain miniupnpd { }
 chain prerouting { type nat hook prerouting priority -100; policy accept; jump prerouting_miniupnpd
 }
 chain postrouting { type nat hook postrouting priority 101; policy accept; jump postrouting_miniupnpd
 }
 chain prerouting_miniupnpd { }
 chain postrouting_miniupnpd { }
}
`

/** As nft prints it: the protocol by its number in the header, in hexadecimal. */
const RULE = /@nh,72,8 0x(6|11) th dport (\d+) dnat ip to ([\d.:]+)/
const KINDS: Readonly<Record<string, string>> = { 6: 'tcp', 11: 'udp' }

/** Why there is no such router here, or `undefined`. */
export function gatewayUnavailable(): string | undefined {
  try {
    execFileSync('sh', ['-c', 'command -v miniupnpd'], { stdio: 'pipe' })
    return undefined
  } catch {
    return 'miniupnpd is missing: apt-get install miniupnpd-nftables'
  }
}

/** One router; the lab that it belongs to ends its process. */
export class Gateway {
  readonly #router: Namespace
  readonly #folder: string
  #process: ChildProcess | undefined

  constructor(router: Namespace, folder: string) {
    this.#router = router
    this.#folder = folder
    // The group of SSDP is reached by the inside.
    router.ip('route', 'add', '239.0.0.0/8', 'dev', 'lan')
  }

  async start({ natPmp, upnp }: GatewayOptions): Promise<void> {
    this.#router.run('nft', ['-f', '-'], CHAINS)
    const path = join(this.#folder, 'miniupnpd.conf')
    const yes = (is: boolean) => (is ? 'yes' : 'no')
    writeFileSync(
      path,
      [
        'ext_ifname=wan',
        'listening_ip=lan',
        `enable_natpmp=${yes(natPmp)}`,
        `enable_upnp=${yes(upnp)}`,
        'secure_mode=yes',
        'system_uptime=no',
        'notify_interval=30',
        'min_lifetime=4',
        'max_lifetime=86400',
        'uuid=5631f2f8-565f-4b44-90d6-e515d2aa2fdc',
        `lease_file=${this.#folder}/leases`,
        'allow 1024-65535 10.0.0.0/8 1024-65535',
        'deny 0-65535 0.0.0.0/0 0-65535',
        '',
      ].join('\n'),
    )
    const args = ['-d', '-f', path, '-P', join(this.#folder, 'miniupnpd.pid')]
    const child = this.#router.spawn('sh', ['-c', `exec miniupnpd ${args.join(' ')} 2>&1`])
    this.#process = child
    await listening(child, natPmp ? /Listening for NAT-PMP/ : /HTTP listening on port/)
  }

  /** As when somebody pulls the plug: what was mapped is gone. */
  async pullThePlug(): Promise<void> {
    const child = this.#process
    if (child !== undefined && child.exitCode === null && child.signalCode === null) {
      const ended = once(child, 'exit')
      child.kill('SIGKILL')
      await ended
    }
    this.#router.run('nft', ['delete', 'table', 'inet', 'filter'])
    execFileSync('rm', ['-f', join(this.#folder, 'leases')])
  }

  /** What the kernel forwards, such as `tcp 4001 -> 10.2.0.2:4001`. */
  forwards(): readonly string[] {
    const chain = ['list', 'chain', 'inet', 'filter', 'prerouting_miniupnpd']
    const rules = this.#router.run('nft', chain)
    return rules.split('\n').flatMap((line) => {
      const [, number, port, to] = RULE.exec(line) ?? []
      return number === undefined ? [] : [`${KINDS[number]} ${port} -> ${to}`]
    })
  }
}

/** Resolves when the router has said that it listens; fails with all that it said otherwise. */
async function listening(child: ChildProcess, line: RegExp): Promise<void> {
  if (child.stdout === null) throw new Error('the router has a standard output')
  const lines = createInterface({ input: child.stdout })
  const said: string[] = []
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  lines.on('line', (text) => {
    if (line.test(text)) resolve()
    if (said.length < 50) said.push(text)
  })
  lines.on('close', () => reject(new Error(`the router has ended: ${said.join('\n')}`)))
  await promise
}
