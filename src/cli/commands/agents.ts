import { either } from '../../base/index.ts'
import type { ControlClient } from '../../control/index.ts'
import type { Command, Context } from '../command.ts'
import { flagOption, parseDuration, textOption } from '../options.ts'
import { clean, fields, type Paint, tableWithin } from '../output.ts'
import { bytesText, count, durationText } from '../words.ts'

export const agents: Command = {
  name: 'agents',
  summary: 'List the agents that are here, or find the peer of an Ethereum address',
  args: '[address]',
  options: [
    { flags: '-w, --watch', help: 'show them again and again, until Ctrl-C' },
    { flags: '--every <time>', help: 'how often with --watch; 2s unless given' },
  ],
  examples: ['agents', 'agents --watch', 'agents --json | jq -r ".[].address"'],
  timeoutMs: 60_000,
  endlessWith: 'watch',

  async run(context) {
    if (flagOption(context.options, 'watch')) return watch(context)
    const { args, clock, connect, out, signal } = context
    const [address] = args
    await using node = await connect()
    if (address !== undefined) {
      const found = await node.agentFind(address, { signal })
      out.print(found, (paint) => foundLines(found, { nowMs: clock.now(), paint }))
      return
    }
    const here = await node.agents({ signal })
    const { columns } = out
    out.print(here, (paint) => lines(here, { nowMs: clock.now(), columns, paint }))
  },
}

type Here = Awaited<ReturnType<ControlClient['agents']>>
type Found = Awaited<ReturnType<ControlClient['agentFind']>>

interface Drawing {
  readonly nowMs: number
  readonly columns: number
  readonly paint: Paint
}

const EVERY_MS = 2_000

/** A table drawn in its place at a terminal; elsewhere one line, or one JSON line, each time. */
async function watch({ connect, clock, options, out, signal }: Context): Promise<void> {
  const every = textOption(options, 'every')
  const everyMs = every === undefined ? EVERY_MS : parseDuration(every, 'agents', '--every')
  await using node = await connect()
  using ended = either(signal, out.gone)
  const until = ended.signal
  try {
    while (!until.aborted) {
      const here = await node.agents({ signal: until })
      const { columns, paint } = out
      if (out.live) out.draw(lines(here, { nowMs: clock.now(), columns, paint }))
      else out.print(here, () => [`${count(here.length, 'agent')}: ${here.map(nameOf).join(', ')}`])
      await clock.sleep(everyMs, until)
    }
  } catch (error) {
    if (!until.aborted) throw error
  }
}

function lines(here: Here, { nowMs, columns, paint }: Drawing): string[] {
  if (here.length === 0) {
    return ['No agents heard in the last two minutes. They are heard over topics, from peers.']
  }
  const rows = here.map((agent) => {
    const { address, peer, connectedSince, status } = agent
    const numbers =
      status === undefined
        ? ['', '', '']
        : [
            String(status.peers),
            `${status.messagesSent}/${status.messagesReceived}`,
            bytesText(status.memoryBytes),
          ]
    const since = durationText(Math.max(0, nowMs - connectedSince))
    return [address, nameCell(agent), since, ...numbers, peer]
  })
  return tableWithin(columns, { titles: TITLES, rows, less: LESS }, paint)
}

/** What it calls itself, and whether it is none of ours: that one is written to in the clear. */
export function nameCell({ name, openpond }: Here[number]): string {
  if (openpond === undefined) return clean(name)
  return `${clean(name)} (openpond${openpond === 'signed' ? '' : ', unsigned'})`.trim()
}

const TITLES = ['ADDRESS', 'NAME', 'SINCE', 'PEERS', 'SENT/GOT', 'MEMORY', 'PEER']
/** What `p2p agents 0x…` and `--json` say as well is left out first. */
const LESS = ['PEER', 'MEMORY', 'PEERS', 'SENT/GOT', 'SINCE']

function foundLines(found: Found, { nowMs, paint }: Omit<Drawing, 'columns'>): string[] {
  const { address, peer, expires, preKeys, addresses } = found
  const rows = {
    Address: address,
    'Peer id': peer,
    Bound: `by both keys, for another ${durationText(Math.max(0, expires - nowMs))}`,
    'Pre-keys': preKeys === 0 ? 'none: it cannot be written to now' : String(preKeys),
    Reached: addresses.length === 0 ? 'nobody told where' : addresses.map(clean),
  }
  return fields(rows, paint)
}

function nameOf({ name, address }: Here[number]): string {
  return name === '' ? address : clean(name)
}
