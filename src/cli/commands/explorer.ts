/** The network as this node sees it, live: peers, agents and messages in one picture. */

import { either, hasCode } from '../../base/index.ts'
import type { ControlClient } from '../../control/index.ts'
import type { Command, Context } from '../command.ts'
import { parseDuration, textOption } from '../options.ts'
import { cleanLine, type Paint, table } from '../output.ts'
import { type Look, timeText, Watcher } from '../watch.ts'
import { count, durationText } from '../words.ts'
import { nameCell } from './agents.ts'
import type { ShownMessage } from './messages.ts'

const EVERY_MS = 1_000
const SHOWN_MAX = 10

export const explorer: Command = {
  name: 'explorer',
  summary: 'Watch the network from this node: peers, agents and messages, live',
  options: [{ flags: '--every <time>', help: 'how often to look; 1s unless given' }],
  examples: ['explorer', 'explorer --json | jq -c .agents'],

  async run(context) {
    const { connect, clock, options, out, signal } = context
    const every = textOption(options, 'every')
    const everyMs = every === undefined ? EVERY_MS : parseDuration(every, 'explorer', '--every')
    await using node = await connect()
    using ended = either(signal, out.gone)
    const until = ended.signal
    const watcher = new Watcher({ node, clock, signal: until })
    try {
      while (!until.aborted) {
        const seen = await look(node, watcher, until)
        show(context, seen)
        await clock.sleep(everyMs, until)
      }
    } catch (error) {
      if (!until.aborted) throw error
    }
  },
}

type Node = Awaited<ReturnType<Context['connect']>>
type Agents = Awaited<ReturnType<ControlClient['agents']>>

/** One look at everything; agents and messages are null where the node speaks for no agent. */
interface Seen extends Look {
  readonly agents: Agents | null
  readonly messages: readonly ShownMessage[] | null
}

async function look(node: Node, watcher: Watcher, signal: AbortSignal): Promise<Seen> {
  const [seen, agents, found] = await Promise.all([
    watcher.look(),
    unlessOff(node.agents({ signal })),
    unlessOff(node.messages({ limit: SHOWN_MAX }, { signal })),
  ])
  return { ...seen, agents, messages: found?.messages.toReversed() ?? null }
}

/** What a node without an agent refuses is null; any other failure stays one. */
async function unlessOff<T>(asked: Promise<T>): Promise<T | null> {
  try {
    return await asked
  } catch (error) {
    if (OFF.some((code) => hasCode(error, code))) return null
    throw error
  }
}

const OFF = ['CONTROL_AGENT_UNAVAILABLE', 'NODE_SECTION_OFF']

function show({ out, clock }: Context, seen: Seen): void {
  const lines = (paint: Paint) => picture(seen, clock.now(), paint)
  if (out.live) out.draw(lines(out.paint))
  else out.print(seen, lines)
}

/** The picture, section by section. */
export function picture(seen: Seen, nowMs: number, paint: Paint): string[] {
  const { status, peers, agents, messages } = seen
  const head = [
    `p2p-foundation ${status.version}`,
    `network ${status.network}`,
    count(status.peers, 'peer'),
    `up ${durationText(status.uptimeMs)}`,
  ].join(' · ')
  return [
    paint('bold', head),
    ...(typeof status.ethAddress === 'string' ? [`this agent: ${status.ethAddress}`] : []),
    '',
    ...section('Peers', peers.length, peerRows(seen, paint), paint),
    ...(agents === null
      ? off('Agents', paint)
      : section('Agents', agents.length, agentRows(agents, nowMs, paint), paint)),
    ...(messages === null
      ? off('Messages', paint)
      : section('Messages', messages.length, messages.map(messageRow(paint)), paint)),
  ]
}

const REMEDY = 'this node speaks for no agent: start it with PRIVATE_KEY, or set agent.enabled'

function off(title: string, paint: Paint): string[] {
  return [paint('bold', title), `  ${REMEDY}`, '']
}

function section(title: string, size: number, rows: readonly string[], paint: Paint): string[] {
  const shown = size === 0 ? ['  none'] : rows.map((row) => `  ${row}`)
  return [paint('bold', `${title} (${size})`), ...shown, '']
}

function peerRows({ peers }: Seen, paint: Paint): string[] {
  const rows = peers.slice(0, SHOWN_MAX).map(({ peer, transports, rttMs }) => {
    return [peer, transports.join(' '), rttMs === null ? '' : `${rttMs.toFixed(1)} ms`]
  })
  const more = peers.length > SHOWN_MAX ? [`and ${peers.length - SHOWN_MAX} more`] : []
  return [...table(['PEER', 'BY', 'ROUND TRIP'], rows, paint), ...more]
}

function agentRows(agents: Agents, nowMs: number, paint: Paint): string[] {
  const rows = agents
    .slice(0, SHOWN_MAX)
    .map((agent) => [
      agent.address,
      nameCell(agent),
      durationText(Math.max(0, nowMs - agent.connectedSince)),
      agent.status === undefined
        ? ''
        : `${agent.status.messagesSent}/${agent.status.messagesReceived}`,
    ])
  const more = agents.length > SHOWN_MAX ? [`and ${agents.length - SHOWN_MAX} more`] : []
  return [...table(['ADDRESS', 'NAME', 'SINCE', 'SENT/GOT'], rows, paint), ...more]
}

/** Within 80 columns there has to be room for what was said: `p2p messages` has it whole. */
function messageRow(paint: Paint): (message: ShownMessage) => string {
  return ({ from, data, receivedAt, broadcast }) => {
    const text = typeof data === 'string' ? data : JSON.stringify(data)
    const whom = broadcast ? `${short(from)} to everybody` : short(from)
    return `${paint('dim', clockText(receivedAt))} ${paint('bold', whom)} ${cleanLine(text)}`
  }
}

/** The time of day, in UTC as everywhere. */
function clockText(atMs: number): string {
  return timeText(atMs).split('T')[1] ?? ''
}

function short(name: string): string {
  return `${name.slice(0, 8)}…${name.slice(-4)}`
}
