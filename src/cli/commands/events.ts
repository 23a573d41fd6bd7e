import type { StreamEvent } from '../../control/index.ts'
import type { Command } from '../command.ts'
import { CliError } from '../errors.ts'
import { cleanLine, type Paint } from '../output.ts'
import { timeText } from '../watch.ts'
import { count } from '../words.ts'

export const events: Command = {
  name: 'events',
  summary: 'Show what happens to the node, as it happens, until Ctrl-C',
  examples: ['events', 'events --json | jq -c "select(.event == \\"call-served\\")"'],

  async run({ connect, out, signal }) {
    const until = AbortSignal.any([signal, out.gone])
    await using node = await connect()
    try {
      for await (const event of node.events({ signal: until })) {
        out.print(event, (paint) => [line(event, paint)])
      }
    } catch (error) {
      if (!until.aborted) throw error
    }
    if (!until.aborted) throw CliError.NODE_STOPPED({})
  },
}

function line(event: StreamEvent, paint: Paint): string {
  const at = event.event === 'lagged' ? '' : `${paint('dim', timeText(event.atMs))} `
  return `${at}${paint('bold', event.event.padEnd(17))} ${cleanLine(factsOf(event))}`
}

function factsOf(event: StreamEvent): string {
  switch (event.event) {
    case 'ready':
      return `${event.peerId}, version ${event.version}`
    case 'peer-connected':
    case 'peer-disconnected':
      return event.peer
    case 'addresses-changed':
      return event.listen.join(' ')
    case 'service-exposed':
      return `${event.service} is ${event.state} with ${count(event.tools, 'tool')}`
    case 'service-withdrawn':
      return event.service
    case 'call-served':
      return `${event.tool} for ${event.peer} in ${Math.round(event.ms)} ms: ${event.code}`
    case 'message':
      return `from ${event.from}: ${event.body}`
    case 'configured':
      return `${event.keys.join(' ')} by ${event.caller ?? 'this node'}`
    case 'agent':
      return [event.address, event.name, event.state].filter((part) => part !== '').join(' ')
    case 'delivery':
      return `${event.id} to ${event.to}: ${event.state}${event.reason ? `, ${event.reason}` : ''}`
    case 'health-changed':
      return [event.health.status, ...event.health.reasons].join('; ')
    case 'notice':
      return event.text
    case 'lagged':
      return `${count(event.missed, 'event')} were not shown: too many at once`
  }
}
