import { z } from 'zod'

const REFERENCE = /^(?:env:[A-Za-z_]\w{0,63}|file:.{1,1000})$/
const ADDRESS = /^0x[0-9a-fA-F]{40}$/

/** Where the chain is and the contract on it, and how long we wait for it. */
export const evmConfig = z.strictObject({
  rpcUrl: z
    .string()
    .regex(REFERENCE, { error: 'wanted env:NAME or file:PATH, for the URL may hold a key' })
    .default('env:RPC_URL')
    .describe('Where the URL of the chain is found: env:NAME or file:PATH'),
  registryAddress: z
    .string()
    .refine((text) => REFERENCE.test(text) || ADDRESS.test(text), {
      error: 'wanted an address of 0x and 40 hex digits, or env:NAME or file:PATH',
    })
    .default('env:REGISTRY_ADDRESS')
    .describe('The address of the agent registry, or env:NAME or file:PATH where it is found'),
  requestTimeoutMs: z
    .int()
    .min(100)
    .max(120_000)
    .default(10_000)
    .describe('How long the chain may take to answer one request, before it is asked again'),
  attemptsMax: z
    .int()
    .min(1)
    .max(10)
    .default(3)
    .describe('How often a chain that does not answer is asked before we say that it is away'),
})

export type EvmConfig = z.infer<typeof evmConfig>
