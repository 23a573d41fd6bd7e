/**
 * The agent registry (`contracts/AgentRegistry.sol`) as methods with types, over one chain.
 *
 * What the contract stores was written by strangers, and the address may be that of another
 * contract: every answer is decoded by the ABI and held to the limits of the contract before
 * anybody sees it.
 */

import { type CodedError, hasCode, toHex } from '../base/index.ts'
import { type EthAddress, ethAddress, ethKeyFromText } from '../identity/index.ts'
import type { writes } from './agent-registry/writes.ts'
import type { Chain, ChainOptions, Receipt, SendOptions } from './chain.ts'
import { EvmError } from './errors.ts'
import { chainLibrary } from './library.ts'
import type { Hex, Signer } from './shapes.ts'
import type { ReadArgs, ReadName, ReadResult } from './viem.ts'

/** The limit of the contract for a name, in bytes. */
export const AGENT_NAME_BYTES_MAX = 200
/** The same for what else is said of an agent. */
export const AGENT_METADATA_BYTES_MAX = 12_288

/** What an agent says of itself, in the order of the contract. */
export const AGENT_STATUSES = ['online', 'offline', 'discontinued'] as const
export type AgentStatus = (typeof AGENT_STATUSES)[number]

/** What a message from one address to another needs to know. */
export interface Standing {
  /** Whether there is an entry; a discontinued one counts. */
  readonly registered: boolean
  readonly status: AgentStatus
  readonly blockedForAll: boolean
  readonly blockedByReceiver: boolean
}

/** One entry of the registry, with what belongs to it. */
export interface AgentEntry {
  readonly agent: EthAddress
  readonly id: bigint
  readonly name: string
  readonly metadata: string
  readonly status: AgentStatus
  /** Null where nobody may recover it. */
  readonly recovery: EthAddress | null
  readonly registeredMs: number
  readonly updatedMs: number
  readonly blockedForAll: boolean
  readonly successes: bigint
  readonly failures: bigint
  /** To whom it is offered. */
  readonly offeredTo: EthAddress | null
}

type Write = (typeof writes)[number]

/** What can be asked of the registry with a key, and its arguments in the contract's order. */
export type RegistryWrite = {
  [Name in Write['name']]: {
    readonly name: Name
    readonly args: ArgsOf<Extract<Write, { readonly name: Name }>['inputs']>
  }
}[Write['name']]

type ArgsOf<Inputs> = {
  readonly [Key in keyof Inputs]: Inputs[Key] extends { readonly type: keyof InCode }
    ? InCode[Inputs[Key]['type']]
    : never
}

/** What the types of the contract are here. */
interface InCode {
  readonly address: EthAddress
  readonly bool: boolean
  readonly string: string
  readonly uint8: number
}

/** Arguments as viem has them, with addresses that were checked. */
type Ours<Args> = { readonly [Key in keyof Args]: Args[Key] extends Hex ? EthAddress : Args[Key] }

const NOBODY = `0x${'0'.repeat(40)}`

/** The contract at one address; nothing is asked before a method is called. */
export class AgentRegistry {
  readonly #chain: Pick<Chain, 'call' | 'send' | 'host'>
  readonly address: EthAddress

  constructor(chain: Pick<Chain, 'call' | 'send' | 'host'>, address: EthAddress) {
    this.#chain = chain
    this.address = address
  }

  /** One question for all that decides whether `agent` may write to `to`. */
  async standing(agent: EthAddress, to: EthAddress, options: ChainOptions = {}): Promise<Standing> {
    const found = await this.#read('standing', [agent, to], options)
    const [id, status, blockedForAll, blockedByReceiver] = found
    return { registered: id > 0n, status: this.#status(status), blockedForAll, blockedByReceiver }
  }

  /** The entry of an address; undefined where it has none. */
  async entry(agent: EthAddress, options: ChainOptions = {}): Promise<AgentEntry | undefined> {
    const [entry, blockedForAll, [successes, failures], offered] = await Promise.all([
      this.#read('getAgentInfo', [agent], options),
      this.#read('blockedForAll', [agent], options),
      this.#read('getReputation', [agent], options),
      this.#read('offeredTo', [agent], options),
    ])
    if (entry.id === 0n) return undefined
    this.#checkSize('name', entry.name, AGENT_NAME_BYTES_MAX)
    this.#checkSize('metadata', entry.metadata, AGENT_METADATA_BYTES_MAX)
    return {
      agent,
      id: entry.id,
      name: entry.name,
      metadata: entry.metadata,
      status: this.#status(entry.status),
      recovery: addressOrNull(entry.recovery),
      registeredMs: Number(entry.registered) * 1_000,
      updatedMs: Number(entry.updated) * 1_000,
      blockedForAll,
      successes,
      failures,
      offeredTo: addressOrNull(offered),
    }
  }

  /** Whether `by` does not want to hear from `agent`. */
  isBlockedBy(by: EthAddress, agent: EthAddress, options: ChainOptions = {}): Promise<boolean> {
    return this.#read('isBlockedBy', [by, agent], options)
  }

  /** Who may block for all and name raters, and how many agents were ever registered. */
  async facts(
    options: ChainOptions = {},
  ): Promise<{ readonly owner: EthAddress; readonly agentCount: bigint }> {
    const [owner, agentCount] = await Promise.all([
      this.#read('owner', [], options),
      this.#read('agentCount', [], options),
    ])
    return { owner: ethAddress(owner), agentCount }
  }

  /** Asks first what the contract would say, so that a refusal costs nothing; then does it. */
  async write(
    { name, args }: RegistryWrite,
    signer: Signer,
    options: SendOptions = {},
  ): Promise<Receipt> {
    const { encodeWrite } = await chainLibrary()
    const data = encodeWrite(name, args as never)
    const to = this.address as Hex
    const answer = await this.#explained(name, () =>
      this.#chain.call({ to, data, from: signer.address }, options),
    )
    // A transaction to an address without code succeeds, and does nothing.
    if (answer === '0x') await this.facts(options)
    return this.#explained(name, () => this.#chain.send({ to, data, call: name }, signer, options))
  }

  async #read<Name extends ReadName>(
    name: Name,
    args: Ours<ReadArgs<Name>>,
    options: ChainOptions,
  ): Promise<ReadResult<Name>> {
    const { encodeRead, decodeRead } = await chainLibrary()
    const data = encodeRead(name, args as unknown as ReadArgs<Name>)
    const to = this.address as Hex
    const answer = await this.#explained(name, () => this.#chain.call({ to, data }, options))
    try {
      return decodeRead(name, answer)
    } catch {
      throw EvmError.NO_CONTRACT({ host: this.#chain.host, address: this.address })
    }
  }

  /** A refusal of the contract in words, where the data of the failure is one. */
  async #explained<T>(call: string, work: () => Promise<T>): Promise<T> {
    try {
      return await work()
    } catch (error) {
      if (!hasCode(error, 'EVM_RPC_FAILED')) throw error
      const { data } = (error as CodedError<string, { data?: Hex }>).facts
      if (data === undefined) throw error
      const { decodeRefusal } = await chainLibrary()
      const refusal = decodeRefusal(data)
      if (refusal === undefined) {
        throw EvmError.NO_CONTRACT({ host: this.#chain.host, address: this.address })
      }
      const { name, args } = refusal
      const reason = REFUSALS[name]?.(args) ?? args.map(String).join(', ')
      throw EvmError.CONTRACT_REFUSED({ call, refusal: name, reason })
    }
  }

  #status(index: number): AgentStatus {
    const status = AGENT_STATUSES[index]
    if (status === undefined) throw this.#malformed(`status ${index}`)
    return status
  }

  #checkSize(what: string, text: string, bytesMax: number): void {
    const size = Buffer.byteLength(text)
    if (size > bytesMax) throw this.#malformed(`a ${what} of ${size} bytes, more than ${bytesMax}`)
  }

  #malformed(found: string): Error {
    return EvmError.ANSWER_MALFORMED({ host: this.#chain.host, method: 'eth_call', found })
  }
}

/** Puts a new registry on the chain, owned by the signer. */
export async function deployRegistry(
  chain: Pick<Chain, 'send' | 'host'>,
  signer: Signer,
  options: SendOptions = {},
): Promise<Omit<Receipt, 'contract'> & { readonly contract: EthAddress }> {
  const { bytecode } = await import('./agent-registry/bytecode.ts')
  const call = 'making a registry'
  const receipt = await chain.send({ data: bytecode, call }, signer, options)
  const { contract } = receipt
  if (contract !== undefined) return { ...receipt, contract: ethAddress(contract) }
  const found = 'a receipt without the address of the contract'
  throw EvmError.ANSWER_MALFORMED({ host: chain.host, method: call, found })
}

/** A signer of transactions from the text of PRIVATE_KEY, which no error repeats. */
export async function signerOf(privateKey: string): Promise<Signer> {
  const { signerFrom } = await chainLibrary()
  return signerFrom(`0x${toHex(ethKeyFromText(privateKey))}`)
}

function addressOrNull(address: string): EthAddress | null {
  return address === NOBODY ? null : ethAddress(address)
}

/** The contract's errors in words; what has no row is shown with its arguments. */
const REFUSALS: Readonly<Record<string, (args: readonly unknown[]) => string>> = {
  NotRegistered: ([agent]) => `${String(agent)} has no entry; register it first`,
  AlreadyRegistered: ([agent]) => `${String(agent)} has an entry already; update that`,
  BlockedForAll: ([agent]) => `${String(agent)} was blocked for all by the registry's owner`,
  AlreadyDiscontinued: ([agent]) => `${String(agent)} was discontinued, which is for good`,
  NameSize: ([found, max]) => `the name has ${String(found)} bytes; wanted 1 to ${String(max)}`,
  MetadataSize: ([found, max]) =>
    `the metadata has ${String(found)} bytes; wanted at most ${String(max)}`,
  NotOwner: ([caller]) => `${String(caller)} does not own the registry`,
  NotOffered: ([from, caller]) => `${String(from)} has offered nothing to ${String(caller)}`,
  NotRecovery: ([agent, caller]) =>
    `${String(caller)} is not the recovery address of ${String(agent)}`,
  NotRater: ([caller]) => `${String(caller)} may not rate; the registry's owner names raters`,
  OwnRating: ([caller]) => `${String(caller)} cannot rate itself`,
  RatedTooSoon: ([agent, at]) =>
    `${String(agent)} was rated by this key just now; again from ${String(at)} (Unix seconds)`,
  AddressUnusable: ([found]) => `${String(found)} cannot stand here`,
}
