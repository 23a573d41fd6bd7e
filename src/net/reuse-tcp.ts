/**
 * TCP dials from the port that we listen on, which Node cannot make: the socket shares the port of
 * a listener (SO_REUSEPORT) and is bound to it, by system calls of our own; Node connects it and
 * does the rest. When both sides dial each other so at the same time, the two dials meet as one
 * connection (RFC 9293 §3.5, simultaneous open), which the NATs before them take for answers.
 *
 * A listener shares its port from the first such dial on, and not before: until then a second
 * program that wants the port is refused, as it should be.
 */

import { once } from 'node:events'
import { isIPv6, type Server, Socket } from 'node:net'
import type { MultiaddrConnection, Transport, Upgrader } from '@libp2p/interface'
import type { Multiaddr } from '@multiformats/multiaddr'
import { type Clock, hasCode, loadSyscalls, type Syscalls, syscallsMissing } from '../base/index.ts'
import { parseIp, scopeOf } from '../ip/index.ts'
import { NetError, reasonOf } from './errors.ts'
import type { Facility } from './facility.ts'
import type { TcpPunching, TcpPunchOptions } from './punching.ts'
import type { TransportFactory } from './transport-watch.ts'
import { parseAny } from './transports.ts'
import type { UdpEndpoint } from './udp-port.ts'

export interface ReuseTcpDeps {
  readonly clock: Clock
  /** One try of a punch, up to the encrypted connection. */
  readonly attemptMs: number
  /** In place of koffi. */
  readonly load?: () => Promise<Syscalls>
}

/** What a dial may ask of this transport besides libp2p's own options. */
export interface ReuseDialOptions {
  /** From the port of our listener, or not at all. */
  readonly fromListenPort?: boolean
  /** Speak as who was dialled, for the other side of a punched connection speaks first. */
  readonly asServer?: boolean
}

type DialOptions = Parameters<Transport['dial']>[1] & ReuseDialOptions

/** What is used of `@libp2p/tcp` beyond its public face. */
interface TcpTransport extends Transport {
  _connect(to: Multiaddr, options: DialOptions): Promise<Socket>
}

interface Components {
  readonly upgrader: Upgrader
}

/** Until a load fails, what the platform has is believed to work. */
const EXPECTED: Facility = { state: 'active' }
const REMEDY = 'other paths are tried without it; on Linux: npm install --include=optional'
const TRY_AGAIN_MS = 100

export class ReuseTcp implements TcpPunching {
  readonly #deps: ReuseTcpDeps
  readonly #servers = new Set<Server>()
  readonly #sharing = new WeakSet<Server>()
  #transport: TcpTransport | undefined
  #components: Components | undefined
  #loading: Promise<Syscalls> | undefined
  #facility = EXPECTED

  constructor(deps: ReuseTcpDeps) {
    this.#deps = deps
    const missing = syscallsMissing()
    if (missing !== undefined) this.#facility = unavailable(missing)
  }

  get facility(): Facility {
    return this.#facility
  }

  /** The same transport, which also dials from its listening port on request. */
  wrap(make: TransportFactory): TransportFactory {
    return (components) => {
      const transport = make(components) as TcpTransport
      this.#components = components
      this.#transport = transport
      if (typeof transport._connect !== 'function') {
        this.#facility = unavailable('the TCP transport is not as it was')
        return transport
      }
      const connect = transport._connect.bind(transport)
      const dial = transport.dial.bind(transport)
      const createListener = transport.createListener.bind(transport)
      return Object.assign(transport, {
        _connect: (to: Multiaddr, options: DialOptions) =>
          options.fromListenPort === true ? this.#connect(to, options) : connect(to, options),
        dial: (to: Multiaddr, options: DialOptions) =>
          dial(to, options.asServer === true ? asServer(options) : options),
        createListener: ((options) => {
          const listener = createListener(options)
          const { server } = listener as unknown as { server: Server }
          listener.addEventListener('listening', () => this.#servers.add(server))
          listener.addEventListener('close', () => this.#servers.delete(server))
          return listener
        }) satisfies Transport['createListener'],
      })
    }
  }

  async punch(remote: Multiaddr, { signal, role }: TcpPunchOptions): Promise<void> {
    const { clock, attemptMs } = this.#deps
    const [transport, components] = [this.#transport, this.#components]
    if (transport === undefined || components === undefined) throw nothingListens(remote.toString())
    if (this.#facility.state !== 'active') {
      throw NetError.PUNCH_UNAVAILABLE({ reason: this.#facility.reason ?? '' })
    }
    for (;;) {
      signal.throwIfAborted()
      using attempt = clock.deadline(attemptMs, signal)
      try {
        await transport.dial(remote, {
          signal: attempt.signal,
          upgrader: components.upgrader,
          fromListenPort: true,
          asServer: role === 'server',
        } as DialOptions)
        return
      } catch (error) {
        signal.throwIfAborted()
        if (hasCode(error, 'NET_PUNCH_UNAVAILABLE')) throw error
        await clock.sleep(TRY_AGAIN_MS, signal)
      }
    }
  }

  async #connect(to: Multiaddr, { signal }: DialOptions): Promise<Socket> {
    const { host, port = 0 } = parseAny(to.toString())
    const remote = { host: host?.value ?? '', port }
    const server = this.#serverFor(remote.host)
    const syscalls = await this.#syscalls()
    signal.throwIfAborted()
    const local = server?.address()
    if (server === undefined || typeof local !== 'object' || local === null) {
      throw nothingListens(to.toString())
    }
    const fd = this.#bound(syscalls, server, { host: local.address, port: local.port })
    return connected(this.#socketOf(syscalls, fd), remote, signal)
  }

  /** Reading begins when it is connected: before, the system refuses it. */
  #socketOf(syscalls: Syscalls, fd: number): Socket {
    const options = { fd, manualStart: true, allowHalfOpen: false }
    try {
      return new Socket(options)
    } catch (cause) {
      syscalls.close(fd)
      throw NetError.PUNCH_UNAVAILABLE({ reason: reasonOf(cause) }, cause)
    }
  }

  #bound(syscalls: Syscalls, server: Server, local: UdpEndpoint): number {
    try {
      this.#share(syscalls, server)
      return syscalls.boundTcp(parseIp(local.host).bytes, local.port)
    } catch (cause) {
      throw NetError.PUNCH_UNAVAILABLE({ reason: reasonOf(cause) }, cause)
    }
  }

  #share(syscalls: Syscalls, server: Server): void {
    if (this.#sharing.has(server)) return
    const { fd = -1 } = (server as unknown as { _handle?: { fd?: number } })._handle ?? {}
    if (fd < 0) throw NetError.PUNCH_UNAVAILABLE({ reason: 'the listener shows no descriptor' })
    syscalls.sharePort(fd)
    this.#sharing.add(server)
  }

  async #syscalls(): Promise<Syscalls> {
    const { load = loadSyscalls } = this.#deps
    this.#loading ??= load()
    try {
      return await this.#loading
    } catch (cause) {
      this.#facility = unavailable(reasonOf(cause))
      throw NetError.PUNCH_UNAVAILABLE({ reason: reasonOf(cause) }, cause)
    }
  }

  /** The listener of that version of IP; of several, the one that reaches as far as the target. */
  #serverFor(host: string): Server | undefined {
    const fit = [...this.#servers].filter((server) => {
      const own = hostOf(server)
      return own !== undefined && isIPv6(own) === isIPv6(host)
    })
    return fit.find((server) => scopeOf(hostOf(server) ?? '') === scopeOf(host)) ?? fit[0]
  }
}

function hostOf(server: Server): string | undefined {
  const address = server.address()
  return typeof address === 'object' ? address?.address : undefined
}

/** The upgrader of a connection that we dialled and the other side speaks first on. */
function asServer(options: DialOptions): DialOptions {
  const { upgrader } = options
  const upgradeOutbound: Upgrader['upgradeOutbound'] = (connection, told) => {
    // For whoever looks at the direction to know who speaks first.
    Object.assign(connection satisfies MultiaddrConnection, { direction: 'inbound' })
    return upgrader.upgradeOutbound(connection, { ...told, initiator: false })
  }
  return { ...options, upgrader: { ...upgrader, upgradeOutbound } }
}

/** Connects a bound socket; it is closed when that fails or is given up. */
async function connected(socket: Socket, to: UdpEndpoint, signal: AbortSignal): Promise<Socket> {
  try {
    const up = once(socket, 'connect', { signal })
    socket.connect({ host: to.host, port: to.port })
    await up
    return socket.setNoDelay(true).setKeepAlive(true)
  } catch (error) {
    socket.on('error', () => undefined)
    socket.destroy()
    signal.throwIfAborted()
    throw error
  }
}

function nothingListens(remote: string): Error {
  return NetError.PUNCH_UNAVAILABLE({ reason: `no TCP listener of ours reaches ${remote}` })
}

function unavailable(reason: string): Facility {
  return { state: 'unavailable', reason, remedy: REMEDY }
}
