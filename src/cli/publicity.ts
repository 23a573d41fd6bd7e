/** What `p2p expose` tells others of a service, and how it prints an invitation to it. */

import type { ControlClient } from '../control/index.ts'
import type { Publicity, ServiceStatus } from '../mcp/index.ts'
import type { OptionValues } from './command.ts'
import { CliError } from './errors.ts'
import { flagOption, listOption, textOption } from './options.ts'

const TAG = /^[a-z0-9][a-z0-9-]{0,31}$/
const TAGS_MAX = 16
const PRICE_MAX = 1_000_000_000

/** Nothing where no option of it is given. */
export function publicityOf(options: OptionValues): { publicity?: Publicity } {
  const tags = listOption(options, 'tag') ?? []
  const price = textOption(options, 'price')
  const [unlisted, invite] = [flagOption(options, 'unlisted'), flagOption(options, 'invite')]
  if (unlisted && invite) throw usage('either --unlisted or --invite, and not both')
  const wrong = tags.find((tag) => !TAG.test(tag))
  if (wrong !== undefined || tags.length > TAGS_MAX) {
    throw usage(`--tag with a-z, 0-9 and "-", at most 32 characters and ${TAGS_MAX} times`)
  }
  const publicity = {
    ...(tags.length > 0 && { tags }),
    ...(price !== undefined && { price: parsePrice(price) }),
    ...(unlisted && { visibility: 'peers' as const }),
    ...(invite && { visibility: 'blinded' as const }),
  }
  return Object.keys(publicity).length === 0 ? {} : { publicity }
}

/** The invitation to a service that was exposed; nothing where it needs none. */
export async function invitationTo(
  { name, visibility }: ServiceStatus,
  node: Pick<ControlClient, 'invitation'>,
  signal: AbortSignal,
): Promise<string | undefined> {
  return visibility === 'blinded' ? node.invitation(name, { signal }) : undefined
}

function parsePrice(text: string): number {
  const price = /^\d{1,10}$/.test(text) ? Number(text) : Number.NaN
  if (price <= PRICE_MAX) return price
  throw usage(`--price to be a whole number from 0 to ${PRICE_MAX}, not "${text}"`)
}

function usage(expected: string) {
  return CliError.USAGE({ command: 'expose', expected })
}
