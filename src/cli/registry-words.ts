/** The words of `p2p registry …`: what is read from the command line, and how an entry is shown. */

import type { AgentEntry } from '../evm/index.ts'
import { type EthAddress, ethAddress, isEthAddress } from '../identity/index.ts'
import type { Context } from './command.ts'
import { CliError } from './errors.ts'
import { required, textOption } from './options.ts'
import { clean, fields, type Paint } from './output.ts'

/** Who is meant where the contract wants an address and nobody is. */
export const NOBODY = ethAddress(`0x${'0'.repeat(40)}`)

export function addressArg({ args }: Context, word: string): EthAddress {
  const command = `registry ${word}`
  const expected = 'an Ethereum address of 0x and 40 hex digits'
  const text = required(args, 0, { command, expected })
  if (!isEthAddress(text)) throw CliError.USAGE({ command, expected })
  return ethAddress(text)
}

export function oneOf({ args }: Context, word: string, words: readonly string[]): string {
  const command = `registry ${word}`
  const expected = `an address and one of ${words.join(', ')}`
  const text = required(args, 1, { command, expected })
  if (words.includes(text)) return text
  throw CliError.USAGE({ command, expected })
}

export function metadataOf({ options }: Context): string | undefined {
  return textOption(options, 'metadata')
}

export function recoveryOf({ options }: Context): EthAddress | undefined {
  const text = textOption(options, 'recovery')
  if (text === undefined) return undefined
  return text === 'none' ? NOBODY : ethAddress(text)
}

/** Numbers of the chain are larger than those of JSON, and stand as text. */
export function shownEntry(entry: AgentEntry) {
  const { id, successes, failures } = entry
  return { ...entry, id: String(id), successes: String(successes), failures: String(failures) }
}

export function entryLines(entry: AgentEntry, paint: Paint): string[] {
  const time = (ms: number) => new Date(ms).toISOString()
  const rows = {
    Name: clean(entry.name),
    Address: entry.agent,
    Status: entry.blockedForAll ? `${entry.status}, blocked for all` : entry.status,
    Recovery: entry.recovery ?? 'none',
    Registered: `${time(entry.registeredMs)}, changed ${time(entry.updatedMs)}`,
    Reputation: `${entry.successes} good, ${entry.failures} bad`,
    ...(entry.offeredTo !== null && { Offered: `to ${entry.offeredTo}` }),
    Metadata: clean(entry.metadata),
  }
  return fields(rows, paint)
}
