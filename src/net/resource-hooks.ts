/**
 * Where the resource manager stands in libp2p: every connection has its account from its first
 * byte to its end, and its muxer (`resource-muxer.ts`) one for each stream.
 */

import type {
  ConnectionEncrypter,
  MultiaddrConnection,
  StreamMuxerFactory,
} from '@libp2p/interface'
import type { AbstractMultiaddrConnection } from '@libp2p/utils'
import type { Libp2pOptions } from 'libp2p'
import type { Clock } from '../base/index.ts'
import type { PeerId } from '../identity/index.ts'
import { type Bandwidth, throttle } from './bandwidth.ts'
import type { NetConfig } from './config.ts'
import { Doorkeeper } from './door.ts'
import { NetError } from './errors.ts'
import { hostOf } from './limits.ts'
import { ConnectionAccount } from './resource-accounts.ts'
import { exhausted } from './resource-codes.ts'
import type { ResourceManager } from './resource-manager.ts'
import { MuxerWatch, type WatchedMuxer } from './resource-muxer.ts'
import type { Shortage } from './resource-scopes.ts'

export interface HooksDeps {
  readonly manager: ResourceManager
  readonly clock: Clock
  readonly bandwidth: Bandwidth
}

type HooksConfig = Pick<
  NetConfig,
  'closeTimeoutMs' | 'connectionWindowBytes' | 'streamsPerConnectionMax' | 'streamWindowBytes'
>

type EncrypterFactory = NonNullable<Libp2pOptions['connectionEncrypters']>[number]

/** What is used of a connection beyond its public face. */
type Inside = Pick<AbstractMultiaddrConnection, 'onData' | 'maxWriteBufferLength'>

/** What waits to be written before a connection is given up, whose other side reads nothing. */
const UNSENT_BYTES_MAX = 16 * 1_024 * 1_024
/** A connection over which nothing was done for so long is idle. */
const IDLE_MS = 10_000

/** One connection and all that is known of what it uses. */
export interface Watched {
  readonly account: ConnectionAccount
  readonly connection: MultiaddrConnection
  usedAtMs: number
  muxer: MuxerWatch | undefined
}

export class ResourceHooks {
  readonly manager: ResourceManager
  readonly door = new Doorkeeper()
  readonly #clock: Clock
  readonly #bandwidth: Bandwidth
  readonly #config: HooksConfig
  readonly #watched = new WeakMap<object, Watched>()

  constructor({ manager, clock, bandwidth }: HooksDeps, config: HooksConfig) {
    this.manager = manager
    this.#bandwidth = bandwidth
    this.#clock = clock
    this.#config = config
  }

  /** Opens the account of a connection, which closes with it; or says why there is none. */
  open(connection: MultiaddrConnection, ip: string | undefined): Shortage | undefined {
    const account = this.manager.openConnection(connection.direction, {
      host: ip === undefined ? undefined : hostOf(ip),
      idleSinceMs: () => this.#idleSinceMs(watched),
      cut: () => this.#cut(watched),
    })
    if (!(account instanceof ConnectionAccount)) return account
    const watched: Watched = {
      account,
      connection,
      usedAtMs: this.#clock.now(),
      muxer: undefined,
    }
    this.#watched.set(connection, watched)
    connection.addEventListener('close', () => account.close(), { once: true })
    if (connection.status !== 'open') account.close()
    else this.#boundBeforeProof(watched)
    return undefined
  }

  /** The peer at the other end is proven. */
  prove(connection: MultiaddrConnection, peer: PeerId): Shortage | undefined {
    const watched = this.#watched.get(connection)
    return watched && this.manager.prove(watched.account, peer)
  }

  /** Holds a connection of bytes to the limit of bandwidth. */
  throttle(connection: MultiaddrConnection): void {
    const peer = () => this.#watched.get(connection)?.account.peer ?? ''
    throttle(connection, this.#bandwidth, peer)
  }

  /** A connection that we make has its account before its first byte, or is not made. */
  begin(connection: MultiaddrConnection): void {
    if (connection.direction !== 'outbound' || this.#watched.has(connection)) return
    const shortage = this.open(connection, undefined)
    if (shortage !== undefined) throw exhausted(shortage)
  }

  /** Says why before the line is cut; over QUIC, and where there are no streams yet, just cuts. */
  async dismiss(connection: MultiaddrConnection): Promise<void> {
    const muxer = this.#watched.get(connection)?.muxer
    if (muxer?.sayGoAway('exhausted') !== true) return
    using deadline = this.#clock.deadline(this.#config.closeTimeoutMs)
    await connection.close({ signal: deadline.signal }).catch(() => undefined)
  }

  /** What `make` makes, and the connection below each line that it encrypts is known. */
  secured(make: EncrypterFactory): EncrypterFactory {
    return (components) => {
      const encrypter = make(components)
      const known = (secure: ConnectionEncrypter['secureInbound']): typeof secure => {
        return async (line, options) => {
          const secured = await secure.call(encrypter, line, options)
          const watched = this.#watched.get(line)
          if (watched !== undefined) this.#watched.set(secured.connection, watched)
          return secured
        }
      }
      const { secureInbound, secureOutbound } = encrypter
      return Object.assign(encrypter, {
        secureInbound: known(secureInbound),
        secureOutbound: known(secureOutbound),
      })
    }
  }

  /** The muxers of `factory`, whose streams have accounts. */
  muxers<Factory extends StreamMuxerFactory>(factory: Factory): Factory {
    const create = factory.createStreamMuxer.bind(factory)
    const createStreamMuxer = (line: MultiaddrConnection) => {
      const muxer = create(line)
      const watched = this.#watched.get(line)
      if (watched !== undefined) {
        Object.assign(line, { maxWriteBufferLength: UNSENT_BYTES_MAX })
        const inside = muxer as unknown as WatchedMuxer
        const deps = { muxer: inside, watched, clock: this.#clock, bandwidth: this.#bandwidth }
        watched.muxer = new MuxerWatch(deps, this.#config)
      }
      return muxer
    }
    return Object.assign(factory, { createStreamMuxer })
  }

  #idleSinceMs({ account, usedAtMs }: Watched): number | undefined {
    if (account.peer === undefined) return undefined
    return this.#clock.now() - usedAtMs >= IDLE_MS ? usedAtMs : undefined
  }

  #cut({ connection, muxer, account }: Watched): void {
    // Its place is free from now on, however long the goodbye takes.
    account.close()
    muxer?.sayGoAway('collected')
    setImmediate(() => {
      connection.abort(NetError.CONNECTION_DROPPED({ reason: 'it made room for another' }))
    })
  }

  /** What comes before the peer is proven is counted, for it may wait while keys are checked. */
  #boundBeforeProof({ account, connection }: Watched): void {
    const inside = connection as unknown as Inside
    inside.maxWriteBufferLength = UNSENT_BYTES_MAX
    const deliver = inside.onData.bind(inside)
    let arrived = 0
    inside.onData = (data) => {
      if (account.peer === undefined) {
        arrived += data.byteLength
        const shortage = account.hold(arrived)
        if (shortage !== undefined) {
          connection.abort(exhausted(shortage))
          return
        }
      }
      deliver(data)
    }
  }
}
