import type { ClaimReport, NameReport } from '../../node/index.ts'
import type { Command } from '../command.ts'
import { CliError } from '../errors.ts'
import { required } from '../options.ts'
import { clean, type Paint } from '../output.ts'
import { count } from '../words.ts'

const EXPECTED = 'one word of 3 to 32 of a–z, 0–9 and _, such as alice'

export const nameClaim: Command = {
  name: 'name claim',
  summary: 'Call this node by a name, as others may as well, for as long as it runs',
  args: '<name>',
  examples: ['name claim alice'],
  timeoutMs: 60_000,

  async run({ args, connect, out, signal }) {
    const name = required(args, 0, { command: 'name claim', expected: EXPECTED })
    await using node = await connect()
    const report = await node.nameClaim(name, { signal })
    if (report.stored.length === 0) {
      throw CliError.NOT_STORED({ ...report, key: `/word/${name}/${report.peer}` })
    }
    out.print(report, (paint) => claimLines(report, paint))
  },
}

export const nameFind: Command = {
  name: 'name find',
  summary: 'Show who calls itself by a name; which of them is meant, only a peer id says',
  args: '<name>',
  examples: ['name find alice'],
  timeoutMs: 60_000,

  async run({ args, connect, out, signal }) {
    const name = required(args, 0, { command: 'name find', expected: EXPECTED })
    await using node = await connect()
    const report = await node.nameFind(name, { signal })
    if (report.claims.length === 0) throw nobody(report)
    out.print(report, (paint) => nameLines(report, paint))
  },
}

/** "Nobody claims it" and "could not ask everybody" are two different answers. */
export function nobody({ name, answered, failed }: NameReport): Error {
  const facts = { name, answered: answered.length, failed: failed.length }
  return failed.length === 0 ? CliError.NAME_NOT_FOUND(facts) : CliError.NAME_UNCERTAIN(facts)
}

/** Who claims a name, each on a line, and how much that is worth. */
export function nameLines({ name, claims, more }: NameReport, paint: Paint): string[] {
  const others = more ? ', and more who were not looked at' : ''
  return [
    `"${clean(name)}" is claimed by ${count(claims.length, 'peer')}${others}:`,
    ...claims.map(({ peer }) => `  ${clean(peer)} ${paint('yellow', 'unverified')}`),
  ]
}

function claimLines({ name, peer, stored, wanted }: ClaimReport, paint: Paint): string[] {
  return [
    `${paint('green', 'Claimed')} "${clean(name)}" for ${clean(peer)}`,
    `held by ${stored.length} of ${count(wanted, 'peer')}, for as long as this node runs`,
    'Others may claim it as well: tell those who look for you the peer id, too',
  ]
}
