/**
 * One chain behind one JSON-RPC URL. Every request has a deadline, a bound on its answer and a
 * number of attempts; what goes wrong is a coded error that names the host and never the URL,
 * whose path is often a key.
 */

import {
  backoffMs,
  type Clock,
  hasCode,
  isRetryable,
  type Logger,
  type Random,
} from '../base/index.ts'
import type { EvmConfig } from './config.ts'
import { EvmError } from './errors.ts'
import { chainLibrary } from './library.ts'
import type { EvmMetrics } from './metrics.ts'
import type { Ask, Failure, Fetch, Hex, Signed, Signer } from './shapes.ts'

const ANSWER_BYTES_MAX = 1_048_576
const URL_CHARS_MAX = 2_048
const REASON_CHARS_MAX = 200
const NUMBER_CHARS_MAX = 66
/** Parts of the URL shorter than this are words, not keys. */
const KEY_CHARS_MIN = 8
/** A tenth of an ether: whoever answers us also says what a transaction costs. */
const FEE_WEI_MAX = 10n ** 17n
const BACKOFF = { firstMs: 250, maxMs: 5_000 }
const CONFIRM_MS = 120_000
const CONFIRM_PAUSE = { firstMs: 200, maxMs: 2_000 }

export interface ChainDeps {
  readonly clock: Clock
  readonly random: Random
  readonly log: Logger
  readonly metrics: EvmMetrics
  /** Absent: the one of the runtime. */
  readonly fetch?: Fetch
}

export type ChainConfig = Pick<EvmConfig, 'requestTimeoutMs' | 'attemptsMax'> & {
  readonly url: string
}

export interface ChainOptions {
  readonly signal?: AbortSignal
}

/** `sent` hears the hash before anything is waited for, so that it is known whatever comes. */
export interface SendOptions extends ChainOptions {
  readonly sent?: (hash: Hex) => void
}

/** What the chain says of a transaction that is in a block. */
export interface Receipt {
  readonly hash: Hex
  readonly block: bigint
  /** The contract that it made. */
  readonly contract?: Hex
}

export class Chain {
  readonly #deps: ChainDeps
  readonly #config: ChainConfig
  /** What may be shown of the URL. */
  readonly host: string
  readonly #secrets: readonly string[]
  #ask: Promise<Ask> | undefined

  /** Throws `EVM_VALUE_INVALID` for what is no HTTP URL. */
  constructor(deps: ChainDeps, config: ChainConfig) {
    this.#deps = deps
    this.#config = config
    const url = httpUrl(config.url)
    this.host = url.host
    this.#secrets = [url.username, url.password, ...`${url.pathname}${url.search}`.split(/[/?&=]/)]
      .flatMap((part) => [part, decoded(part)])
      .filter((part) => part.length >= KEY_CHARS_MIN)
  }

  /** The chain's own number (EIP-155). */
  async id(options: ChainOptions = {}): Promise<bigint> {
    return this.#number('eth_chainId', await this.request('eth_chainId', [], options))
  }

  /** What a contract answers to encoded data; its refusal rejects with the data it gave. */
  async call(
    call: { readonly to: Hex; readonly data: Hex; readonly from?: Hex },
    options: ChainOptions = {},
  ): Promise<Hex> {
    const found = await this.request('eth_call', [call, 'latest'], options)
    return this.#hex('eth_call', found)
  }

  /**
   * Signs, sends and waits until it is in a block. Once sent, what became of it may stay unknown:
   * that is `EVM_OUTCOME_UNKNOWN` with the hash, never a second transaction.
   */
  async send(
    transaction: { readonly to?: Hex; readonly data: Hex; readonly call: string },
    signer: Signer,
    options: SendOptions = {},
  ): Promise<Receipt> {
    const { call, ...rest } = transaction
    const { raw, hash, feeMax } = await this.#signed(rest, signer, options)
    if (feeMax > FEE_WEI_MAX) {
      const [fee, limit] = [String(feeMax), String(FEE_WEI_MAX)]
      throw EvmError.FEE_TOO_HIGH({ call, host: this.host, fee, limit })
    }
    options.sent?.(hash)
    try {
      await this.#once('eth_sendRawTransaction', [raw], options.signal)
    } catch (error) {
      // It may have arrived all the same: only a clear refusal says that it did not.
      if (hasCode(error, 'EVM_RPC_FAILED')) throw error
      this.#deps.log.warn('sending a transaction was not answered', { host: this.host })
    }
    return this.#receipt({ hash, call }, options.signal)
  }

  /** One JSON-RPC method, tried again while the chain does not answer. */
  async request(
    method: string,
    params: readonly unknown[],
    { signal }: ChainOptions = {},
  ): Promise<unknown> {
    const { clock, random } = this.#deps
    for (let attempt = 0; ; attempt += 1) {
      try {
        return await this.#once(method, params, signal)
      } catch (error) {
        signal?.throwIfAborted()
        if (!isRetryable(error) || attempt + 1 >= this.#config.attemptsMax) throw error
        await clock.sleep(backoffMs(attempt, BACKOFF, random), signal)
      }
    }
  }

  /** viem wraps what its questions failed with; ours are thrown as they were. */
  async #signed(
    transaction: { readonly to?: Hex; readonly data: Hex },
    signer: Signer,
    options: ChainOptions,
  ): Promise<Signed> {
    let last: Error | undefined
    const ask = async (method: string, params: readonly unknown[]) => {
      try {
        return await this.request(method, params, options)
      } catch (error) {
        if (error instanceof Error) last = error
        throw error
      }
    }
    try {
      return await signer.sign(transaction, ask)
    } catch (error) {
      options.signal?.throwIfAborted()
      if (last !== undefined) throw last
      const method = 'signing a transaction'
      const found = error instanceof Error ? error.name : 'no error'
      throw EvmError.ANSWER_MALFORMED({ host: this.host, method, found })
    }
  }

  async #once(
    method: string,
    params: readonly unknown[],
    signal: AbortSignal | undefined,
  ): Promise<unknown> {
    const { clock, metrics } = this.#deps
    const { asker, failureOf } = await chainLibrary()
    this.#ask ??= Promise.resolve(asker(this.#config.url, ANSWER_BYTES_MAX, this.#deps.fetch))
    const ask = await this.#ask
    const startedMs = clock.now()
    using deadline = clock.deadline(this.#config.requestTimeoutMs, signal)
    try {
      const found = await ask(method, params, deadline.signal)
      metrics.requests.add(1, { outcome: 'ok' })
      metrics.requestSeconds.observe((clock.now() - startedMs) / 1_000)
      return found
    } catch (error) {
      signal?.throwIfAborted()
      const failure: Failure = deadline.signal.aborted
        ? { kind: 'unreachable', reason: `no answer in ${this.#config.requestTimeoutMs} ms` }
        : failureOf(error)
      const outcome = failure.kind === 'unreachable' ? 'unreachable' : 'failed'
      metrics.requests.add(1, { outcome })
      throw this.#error(method, failure)
    }
  }

  async #receipt(
    { hash, call }: { readonly hash: Hex; readonly call: string },
    signal: AbortSignal | undefined,
  ): Promise<Receipt> {
    const { clock, random } = this.#deps
    using deadline = clock.deadline(CONFIRM_MS, signal)
    for (let attempt = 0; ; attempt += 1) {
      const pauseMs = backoffMs(attempt, CONFIRM_PAUSE, random)
      try {
        const params = [hash]
        const found = await this.#once('eth_getTransactionReceipt', params, deadline.signal)
        if (found !== null && found !== undefined) return this.#receiptIn(found, { hash, call })
        await clock.sleep(pauseMs, deadline.signal)
      } catch (error) {
        if (hasCode(error, 'EVM_CONTRACT_REFUSED', 'EVM_ANSWER_MALFORMED')) throw error
        if (deadline.signal.aborted) {
          const reason = 'is in no block that we saw'
          throw EvmError.OUTCOME_UNKNOWN({ call, hash, reason }, error)
        }
        await clock.sleep(pauseMs, deadline.signal).catch(() => undefined)
      }
    }
  }

  #receiptIn(
    found: unknown,
    { hash, call }: { readonly hash: Hex; readonly call: string },
  ): Receipt {
    const method = 'eth_getTransactionReceipt'
    const { status, blockNumber, contractAddress } = found as Record<string, unknown>
    const block = this.#number(method, blockNumber)
    if (status !== '0x1') {
      const reason = `transaction ${hash} is in block ${block} and was undone there`
      throw EvmError.CONTRACT_REFUSED({ call, refusal: 'a revert', reason })
    }
    const made = typeof contractAddress === 'string' ? this.#hex(method, contractAddress) : null
    return { hash, block, ...(made !== null && { contract: made }) }
  }

  /** Of 256 bits at most: a million digits would take the thread for half a second. */
  #number(method: string, value: unknown): bigint {
    const digits = this.#hex(method, value)
    if (digits.length > 2 && digits.length <= NUMBER_CHARS_MAX) return BigInt(digits)
    const found = `a number of ${digits.length - 2} digits`
    throw EvmError.ANSWER_MALFORMED({ host: this.host, method, found })
  }

  #hex(method: string, value: unknown): Hex {
    if (typeof value === 'string' && /^0x[0-9a-fA-F]*$/.test(value)) return value as Hex
    const found = `${value === null ? 'null' : typeof value} where hex digits belong`
    throw EvmError.ANSWER_MALFORMED({ host: this.host, method, found })
  }

  #error(method: string, failure: Failure): Error {
    const { host } = this
    const reason = this.#shown(failure.reason)
    if (failure.kind === 'unreachable') return EvmError.UNREACHABLE({ host, method, reason })
    if (failure.kind === 'malformed') {
      return EvmError.ANSWER_MALFORMED({ host, method, found: reason })
    }
    const { data } = failure
    return EvmError.RPC_FAILED({ host, method, reason, ...(data !== undefined && { data }) })
  }

  /** A stranger's words: short, printable, and without our URL in them. */
  #shown(text: string): string {
    const safe = this.#secrets.reduce((kept, part) => kept.replaceAll(part, '…'), text)
    return safe.replace(/[^\x20-\x7e…]+/g, ' ').slice(0, REASON_CHARS_MAX)
  }
}

function httpUrl(text: string): URL {
  const wanted = 'URL such as https://chain.example/ or http://127.0.0.1:8545'
  const url = text.length <= URL_CHARS_MAX ? URL.parse(text) : null
  if (url === null || !/^https?:$/.test(url.protocol)) {
    throw EvmError.VALUE_INVALID({ what: 'RPC_URL', wanted })
  }
  return url
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part)
  } catch {
    return part
  }
}
