/** What the files of this room hand to each other, in types of our own: none of them is viem's. */

/** Bytes as JSON-RPC writes them. */
export type Hex = `0x${string}`

/** One JSON-RPC request, under the signal given. */
export type Ask = (
  method: string,
  params: readonly unknown[],
  signal: AbortSignal,
) => Promise<unknown>

/** As `fetch`, so that tests need no socket. */
export type Fetch = (input: string, init?: RequestInit) => Promise<Response>

/** What went wrong with a request, without the URL and the body that viem's sentences repeat. */
export type Failure =
  | { readonly kind: 'unreachable'; readonly reason: string }
  | { readonly kind: 'failed'; readonly reason: string; readonly data?: Hex }
  | { readonly kind: 'malformed'; readonly reason: string }

/** A key that signs transactions; it never leaves this object. */
export interface Signer {
  readonly address: Hex
  /** 65 bytes, uncompressed: what others encrypt for. */
  readonly publicKey: Hex
  /** Asks `ask` for nonce and fees, then signs. */
  sign(
    transaction: { readonly to?: Hex; readonly data: Hex },
    ask: (method: string, params: readonly unknown[]) => Promise<unknown>,
  ): Promise<Signed>
}

/** A transaction that is ready; `feeMax` is what it may cost at most, in wei. */
export interface Signed {
  readonly raw: Hex
  readonly hash: Hex
  readonly feeMax: bigint
}
