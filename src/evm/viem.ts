/**
 * What we use of viem, and the only file that imports it: `library.ts` loads it at first use, and
 * what is published has no more of viem than what is named here (docs/decisions/0069).
 *
 * Calls are encoded here and sent as plain `eth_call`. viem's own `readContract` would fetch any
 * URL that a contract names (CCIP read, EIP-3668), and a contract is a stranger.
 */

import {
  type Abi,
  type ContractFunctionArgs,
  type ContractFunctionName,
  type ContractFunctionReturnType,
  createClient,
  custom,
  decodeErrorResult,
  decodeFunctionResult,
  encodeFunctionData,
  http,
  keccak256,
} from 'viem'
import { privateKeyToAccount } from 'viem/accounts'
import { prepareTransactionRequest } from 'viem/actions'
import { reads } from './agent-registry/reads.ts'
import { refusals } from './agent-registry/refusals.ts'
import { writes } from './agent-registry/writes.ts'
import type { Ask, Failure, Fetch, Hex, Signer } from './shapes.ts'

export type ReadName = ContractFunctionName<typeof reads, 'view'>
export type ReadArgs<Name extends ReadName> = ContractFunctionArgs<typeof reads, 'view', Name>
export type ReadResult<Name extends ReadName> = ContractFunctionReturnType<
  typeof reads,
  'view',
  Name
>
export type WriteName = ContractFunctionName<typeof writes, 'nonpayable'>
export type WriteArgs<Name extends WriteName> = ContractFunctionArgs<
  typeof writes,
  'nonpayable',
  Name
>

/** Requests over HTTP: no redirects, no retries of its own, answers of at most so many bytes. */
export function asker(url: string, bytesMax: number, fetch: Fetch | undefined): Ask {
  const transport = http(url, {
    retryCount: 0,
    timeout: 0,
    maxResponseBodySize: bytesMax,
    fetchOptions: { redirect: 'error' },
    ...(fetch !== undefined && { fetchFn: fetch as typeof globalThis.fetch }),
  })({})
  return (method, params, signal) => transport.request({ method, params }, { signal })
}

export function encodeRead<Name extends ReadName>(name: Name, args: ReadArgs<Name>): Hex {
  return encode(reads, name, args)
}

export function encodeWrite<Name extends WriteName>(name: Name, args: WriteArgs<Name>): Hex {
  return encode(writes, name, args)
}

/** Throws where the answer is not of the type that the contract promises. */
export function decodeRead<Name extends ReadName>(name: Name, data: Hex): ReadResult<Name> {
  const call: { abi: Abi; functionName: string; data: Hex } = {
    abi: reads,
    functionName: name,
    data,
  }
  return decodeFunctionResult(call) as ReadResult<Name>
}

/** The contract's own error; undefined where the data is none of ours. */
export function decodeRefusal(
  data: Hex,
): { readonly name: string; readonly args: readonly unknown[] } | undefined {
  try {
    const { errorName, args } = decodeErrorResult({ abi: refusals, data })
    return { name: errorName, args }
  } catch {
    return undefined
  }
}

const AGAIN_STATUSES: readonly number[] = [408, 425, 429]
/** Over the limit of the provider (EIP-1474). */
const LIMIT_EXCEEDED = -32_005

export function failureOf(error: unknown): Failure {
  const chain = causesOf(error)
  const answer = chain.find((each) => each.name === 'RpcRequestError')
  if (answer !== undefined) return answered(answer)
  const first = chain[0]
  if (first?.name === 'HttpRequestError') return unanswered(first, chain)
  if (first?.name === 'ResponseBodyTooLargeError') {
    return { kind: 'malformed', reason: 'it is longer than we read' }
  }
  return { kind: 'malformed', reason: first?.name ?? 'no error' }
}

interface Told {
  readonly name: string
  readonly status?: unknown
  readonly code?: unknown
  readonly data?: unknown
  readonly details?: unknown
  readonly message: string
}

function causesOf(error: unknown): readonly Told[] {
  const found: Told[] = []
  let next = error
  while (next instanceof Error && found.length < 8) {
    found.push(next)
    next = next.cause
  }
  return found
}

function answered({ code, data, details }: Told): Failure {
  const reason = `${String(details)} (${String(code)})`
  if (code === LIMIT_EXCEEDED) return { kind: 'unreachable', reason }
  const bytes = typeof data === 'string' ? data : (data as { data?: unknown } | undefined)?.data
  const isHex = typeof bytes === 'string' && /^0x[0-9a-f]*$/i.test(bytes)
  return { kind: 'failed', reason, ...(isHex && { data: bytes as Hex }) }
}

function unanswered({ status }: Told, chain: readonly Told[]): Failure {
  if (typeof status === 'number') {
    const again = status >= 500 || AGAIN_STATUSES.includes(status)
    return { kind: again ? 'unreachable' : 'failed', reason: `HTTP status ${status}` }
  }
  const [, cause] = chain
  if (cause?.name === 'SyntaxError') return { kind: 'malformed', reason: 'it is no JSON' }
  const code = chain.map((each) => each.code).find((each) => typeof each === 'string')
  return { kind: 'unreachable', reason: typeof code === 'string' ? code : 'no connection' }
}

const GAS_SPARE = 5_000n

/** Throws where the text is no private key; never says what it was. */
export function signerFrom(privateKey: Hex): Signer {
  const account = privateKeyToAccount(privateKey)
  return {
    address: account.address,
    publicKey: account.publicKey,
    async sign(transaction, ask) {
      const request = ({ method, params = [] }: { method: string; params?: unknown }) =>
        ask(method, params as readonly unknown[])
      // Who answers would else choose what we sign.
      const methods = { exclude: ['eth_fillTransaction'] }
      const client = createClient({ transport: custom({ request }, { retryCount: 0, methods }) })
      const prepared = await prepareTransactionRequest(client, {
        account,
        chain: null,
        data: transaction.data,
        ...(transaction.to !== undefined && { to: transaction.to }),
      })
      // The estimate is for a block of now: a later one writes another time, which may cost more.
      const gas = (prepared.gas * 5n) / 4n + GAS_SPARE
      const ours = { to: transaction.to, data: transaction.data, value: 0n, gas }
      const raw = await account.signTransaction({ ...prepared, ...ours } as never)
      // A chain from before EIP-1559 has one price, which the types do not know of.
      const fees: { maxFeePerGas?: bigint; gasPrice?: bigint } = prepared
      const price = fees.maxFeePerGas ?? fees.gasPrice ?? 0n
      return { raw, hash: keccak256(raw), feeMax: gas * price }
    },
  }
}

function encode(abi: Abi, functionName: string, args: unknown): Hex {
  return encodeFunctionData({ abi, functionName, args: args as readonly unknown[] })
}
