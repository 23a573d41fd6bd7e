/**
 * Machines on one link, made of `ip netns` and a bridge.
 *
 *   a ── veth ──┐
 *               ├── bridge
 *   b ── veth ──┘
 *
 * Nothing touches the host's own interfaces. What is more than one link is built by `topology.ts`.
 */

import { type Machine, type Namespace, Namespaces } from './namespaces.ts'

export { labUnavailable, type Machine } from './namespaces.ts'

const BRIDGE = 'link0'

/** What a machine has on the link. */
export interface MachineOptions {
  /** Addresses of the interface `eth0`, with prefix length. */
  readonly addresses: readonly string[]
  /** Without it the machine has no IPv6 at all, not even link-local addresses. */
  readonly ipv6: boolean
}

/** Machines on one link; disposing of it ends their processes and removes everything. */
export class Lab implements AsyncDisposable {
  readonly #namespaces = new Namespaces()
  readonly #hub: Namespace

  constructor() {
    this.#hub = this.#namespaces.add('link', { ipv6: true })
    this.#hub.ip('link', 'add', BRIDGE, 'type', 'bridge')
    this.#hub.ip('link', 'set', BRIDGE, 'up')
  }

  machine(name: string, options: MachineOptions): Machine {
    const machine = this.#namespaces.add(name, options)
    const far = ['type', 'veth', 'peer', 'eth0', 'netns', machine.name]
    this.#hub.ip('link', 'add', `to-${name}`, ...far)
    this.#hub.ip('link', 'set', `to-${name}`, 'master', BRIDGE, 'up')
    machine.ip('link', 'set', 'eth0', 'up')
    for (const address of options.addresses) machine.ip('address', 'add', address, 'dev', 'eth0')
    return machine
  }

  /** A folder that goes with the lab. */
  folder(name: string): string {
    return this.#namespaces.folder(name)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#namespaces[Symbol.asyncDispose]()
  }
}
