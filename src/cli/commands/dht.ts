import type { GetReport, PutReport } from '../../node/index.ts'
import type { Command } from '../command.ts'
import { CliError } from '../errors.ts'
import { required } from '../options.ts'
import { clean, type Paint } from '../output.ts'
import type { NodeClient } from '../rooms.ts'
import { count } from '../words.ts'

const KEY = 'a key such as greeting, or in full /data/<peer id>/greeting'

export const dhtPut: Command = {
  name: 'dht put',
  summary: 'Store a record of this node; a bare key means /data/<own peer id>/<key>',
  args: '<key> <value>',
  examples: ['dht put greeting "hello there"'],
  timeoutMs: 60_000,

  async run({ args, connect, out, signal }) {
    const name = required(args, 0, { command: 'dht put', expected: KEY })
    const value = args[1]
    if (value === undefined) throw CliError.USAGE({ command: 'dht put', expected: 'a value' })
    await using node = await connect()
    const key = await fullKey(name, node, signal)
    const report = await node.dhtPut(key, value, { signal })
    if (report.stored.length === 0) throw CliError.NOT_STORED(report)
    out.print(report, (paint) => putLines(report, paint))
  },
}

export const dhtGet: Command = {
  name: 'dht get',
  summary: 'Get a record; a bare key means /data/<own peer id>/<key>',
  args: '<key>',
  examples: [
    'dht get greeting',
    'dht get /data/12D3KooWJwao3iRnuKRGZeYbvLhm1v4SV7PDQ8S7w1zsLXozpMeg/greeting --json',
  ],
  timeoutMs: 60_000,

  async run({ args, connect, out, signal }) {
    const name = required(args, 0, { command: 'dht get', expected: KEY })
    await using node = await connect()
    const key = await fullKey(name, node, signal)
    const report = await node.dhtGet(key, { signal })
    if (report.value === null) throw notFound(report)
    const { value, encoding } = report
    if (encoding === 'base64') out.note('The value is no text; this is its base64:')
    out.print(report, () => [clean(value)])
  },
}

async function fullKey(key: string, node: NodeClient, signal: AbortSignal): Promise<string> {
  if (key.startsWith('/')) return key
  const { peerId } = await node.status({ signal })
  return `/data/${peerId}/${key}`
}

/** "Nobody has it" and "could not ask everybody" are two different answers. */
function notFound({ key, answered, failed }: GetReport): Error {
  const facts = { key, answered: answered.length, failed }
  return failed.length === 0 ? CliError.RECORD_NOT_FOUND(facts) : CliError.RECORD_UNCERTAIN(facts)
}

function putLines({ key, version, stored, failed, wanted }: PutReport, paint: Paint): string[] {
  return [
    `${paint('green', 'Stored')} ${key}, version ${version}`,
    `at ${stored.length} of ${count(wanted, 'peer')}:`,
    ...stored.map((peer) => `  ${peer}`),
    ...failed.map(({ peer, code }) => `  ${peer} ${paint('red', 'failed')} ${code}`),
  ]
}
