/** What the knobs of `[agent]` that concern messages kept for others change. */

import { KeptMail, MailStore } from '../../../src/agent/index.ts'
import { Registry, secureRandom, silentLog } from '../../../src/base/index.ts'
import { generateKeys } from '../../../src/identity/index.ts'
import { composeMail } from '../../../src/node/agent-mail.ts'
import { FakeClock } from '../../support/fake-clock.ts'
import { mailOf } from '../../support/mail.ts'
import type { Observations, Observe } from './observation.ts'

/** The methods that a node offers to those who leave and fetch messages. */
const offered: Observe = async (config) => {
  const methods: string[] = []
  const given = {
    keys: generateKeys(secureRandom),
    registry: new Registry(),
    clock: new FakeClock(),
    random: secureRandom,
    log: silentLog,
  }
  const server = { handle: (method: string) => void methods.push(method) }
  const below = { ownDht: {}, rpc: { server } }
  const where = { ...config, dataDir: '/nonexistent' }
  const { keeper } = composeMail(where, given as never, below as never)
  return [keeper !== null, ...methods]
}

/** How much work is asked for when some messages of some size lie here. */
const price: Observe = async ({ agent }) => {
  const kept = new KeptMail(new MailStore(':memory:'), agent)
  for (let from = 0; from < 12; from += 1) {
    kept.keep(mailOf({ from, box: `${from}`, bytes: 64 * 1024 }), 0)
  }
  const asked = kept.price
  kept.close()
  return asked
}

export const agentMailboxObservations: Observations = {
  'agent.mailbox': { value: false, observe: offered },
  'agent.mailbox_messages_max': { value: 16, observe: price },
  'agent.mailbox_bytes_max': { value: 1024 * 1024, observe: price },
}
