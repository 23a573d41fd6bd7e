import type { ShownIdentity } from '../../control/index.ts'
import type { Command } from '../command.ts'
import { CliError } from '../errors.ts'
import { required } from '../options.ts'
import { clean } from '../output.ts'
import { durationText } from '../words.ts'

export const identity: Command = {
  name: 'identity',
  summary: 'Show who a peer says it is: endpoints, capabilities, and when it was last seen',
  args: '<peer>',
  examples: ['identity 12D3KooWJwao3iRnuKRGZeYbvLhm1v4SV7PDQ8S7w1zsLXozpMeg'],
  timeoutMs: 60_000,

  async run({ args, clock, connect, out, signal }) {
    const peer = required(args, 0, { command: 'identity', expected: 'a peer id' })
    await using node = await connect()
    const found = await node.identity(peer, { signal })
    const { identity: said } = found
    if (said === null) throw notFound(found)
    out.print(found, () => linesOf(found.peer, said, clock.now()))
  },
}

function linesOf(
  peer: string,
  said: NonNullable<ShownIdentity['identity']>,
  nowMs: number,
): string[] {
  const { publicKey, endpoints, capabilities, lastSeenMs } = said
  return [
    `Peer        ${peer}`,
    `Public key  ${publicKey}`,
    `Last seen   ${durationText(Math.max(0, nowMs - lastSeenMs))} ago`,
    ...titled('Endpoints', endpoints),
    ...titled('Can do', capabilities),
  ]
}

/** One under the other; what a peer wrote is cleaned before it is shown. */
function titled(title: string, values: readonly string[]): string[] {
  const shown = values.length === 0 ? ['none'] : values.map(clean)
  return shown.map((value, i) => `${(i === 0 ? title : '').padEnd(12)}${value}`)
}

/** "Nobody has it" and "could not ask everybody" are two different answers. */
function notFound({ peer, answered, failed, complete }: ShownIdentity): Error {
  const facts = { key: `/peer/${peer}`, answered: answered.length, failed }
  const isSure = complete && failed.length === 0
  return isSure ? CliError.RECORD_NOT_FOUND(facts) : CliError.RECORD_UNCERTAIN(facts)
}
