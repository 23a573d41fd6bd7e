/** The names of a server's resources and prompts: for its descriptor, and never more than that. */

import type { Client } from '@modelcontextprotocol/client'
import { cleanText } from './clean-text.ts'

export interface OtherLists {
  readonly resources?: readonly string[]
  readonly prompts?: readonly string[]
}

const NAMES_MAX = 256
const NAME_CHARS_MAX = 64

interface Listing {
  readonly signal: AbortSignal
  readonly timeout: number
}

/** One page of each that the server has; what it does not list in time is left out. */
export async function listOthers(client: Client, options: Listing): Promise<OtherLists> {
  const { resources, prompts } = client.getServerCapabilities() ?? {}
  const [listed, prompted] = await Promise.all([
    resources && names(async () => (await client.listResources(undefined, options)).resources),
    prompts && names(async () => (await client.listPrompts(undefined, options)).prompts),
  ])
  return { ...(listed && { resources: listed }), ...(prompted && { prompts: prompted }) }
}

async function names(
  list: () => Promise<readonly { readonly name: string }[]>,
): Promise<readonly string[] | undefined> {
  try {
    const found = await list()
    return found.slice(0, NAMES_MAX).map(({ name }) => cleanText(name, NAME_CHARS_MAX))
  } catch {
    // A server that says it has a list and does not give it still has its tools.
    return undefined
  }
}
