import type { Command } from '../command.ts'
import { required } from '../options.ts'

export const unexpose: Command = {
  name: 'unexpose',
  summary: 'Withdraw a service that the node offers',
  args: '<name>',
  examples: ['unexpose everything'],
  timeoutMs: 15_000,

  async run({ args, connect, out, signal }) {
    const name = required(args, 0, { command: 'unexpose', expected: 'the name of a service' })
    await using node = await connect()
    await node.unexpose(name, { signal })
    out.print({ service: name, state: 'stopped' }, () => [`"${name}" is withdrawn`])
  },
}
