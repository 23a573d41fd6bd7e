/**
 * Messages sent again. A stranger listens and keeps what is said, as it stands on the wire; another
 * sends it to everybody:
 *
 *   late      121 s later, when GossipSub has forgotten that it saw them
 *   restart   again, after every node was restarted: half of them stopped, half cut off
 *   soon      new messages, sent again at once to nodes that were restarted in between
 *
 * Nothing may be delivered again. The same is done in a topic without our guard (`cache`), where it
 * must be delivered again: else this would show nothing.
 */

import { simulate } from '../../../src/testing/index.ts'
import { connect, Party } from '../gossip/party.ts'
import { ONE_WAY_MS } from '../gossip/size.ts'
import { STRANGER, Stranger, type Told } from '../gossip/stranger.ts'
import { atLeast, atMost, outcomeOf } from '../outcome.ts'
import type { Scenario } from '../scenario.ts'
import { closing } from '../whole/oracles.ts'

const RULES = ['strict', 'counted', 'cache'] as const
const RINGS = 2
const SETTLE_MS_MAX = 30_000
/** A second longer than GossipSub remembers. */
const LATE_MS = 121_000
/** Until what was said or sent has come wherever it comes. */
const REST_MS = 8_000
/** Messages in one frame, and so in a second: fewer than a stranger may send. */
const TOLD_AT_ONCE = 20

export const scenario: Scenario = {
  name: 'replay',
  summary: 'What was said is sent again by another after 121 s, and after restarts',
  tier: () => 'A',
  defaults: { nodes: 12, adversaries: 0 },

  run: ({ seed, nodes, log }) =>
    simulate({ seed, link: { latencyMs: ONE_WAY_MS } }, async (world) => {
      const parties = RULES.map(
        (rule) => new Party(world, { topic: rule, rules: { replay: rule } }),
      )
      const theft = new Theft(parties)
      await theft.begin(nodes)
      const [expected, delivered] = [nodes * (nodes - 1), await theft.everybodySpeaks()]
      log(`${theft.recorded} messages recorded`)
      await world.time.sleep(LATE_MS)
      const late = await theft.sendAgain()
      await theft.restartAll()
      const restart = await theft.sendAgain()
      await theft.everybodySpeaks()
      await theft.restartAll()
      const soon = await theft.sendAgain()
      for (const party of parties) party.end()
      const again = { late, restart, soon }
      const eventHash = world.network.trace.digest()
      const forged = parties.flatMap(({ ledger }) => ledger.wrong.filter((one) => !isTwice(one)))
      const extra = { recorded: theft.recorded, ...flat(again) }
      const guarded = Object.values(again).reduce((sum, one) => sum + one.strict + one.counted, 0)
      return outcomeOf(
        {
          eventHash,
          delivered: delivered.strict,
          expected,
          oracles: { forged, ...(await closing(world)) },
          extra,
        },
        [
          atMost('delivered again', guarded, 0),
          atLeast('delivered again without the guard', late.cache, nodes),
          atLeast('recorded', theft.recorded, nodes * RULES.length),
          atLeast('delivered at first', delivered.strict, expected),
        ],
      )
    }),
}

type Counts = Readonly<Record<(typeof RULES)[number], number>>

/** The nodes, who listens to them, and who repeats it. */
class Theft {
  readonly #parties: readonly Party[]
  readonly #told = new Map<string, Told>()
  #listener: Stranger | undefined
  #thief: Stranger | undefined

  constructor(parties: readonly Party[]) {
    this.#parties = parties
  }

  get recorded(): number {
    return this.#told.size
  }

  async begin(nodes: number): Promise<void> {
    const [first] = this.#parties
    await first?.invite(nodes)
    const topics = this.#parties.map(({ wire }) => wire)
    this.#listener = await this.#stranger((message) => {
      this.#told.set(Buffer.from(message.signature ?? []).toString('hex'), message)
    }, topics)
    this.#thief = await this.#stranger(() => undefined, topics)
    await this.#meet()
  }

  /** Each says something in each topic; how much came to anybody. */
  async everybodySpeaks(): Promise<Counts> {
    return this.#counting(async () => {
      for (const party of this.#parties) for (const guest of party.guests) await party.say(guest)
    })
  }

  /** The thief tells everybody what the other heard; how much of it was delivered once more. */
  async sendAgain(): Promise<Counts> {
    const thief = this.#thief
    return this.#counting(async () => {
      const told = [...this.#told.values()]
      for (let at = 0; at < told.length; at += TOLD_AT_ONCE) {
        const messages = told.slice(at, at + TOLD_AT_ONCE)
        for (const peer of thief?.peers ?? []) await thief?.send(peer, { messages })
        await this.#world.time.sleep(1_000)
      }
    })
  }

  /** Every node goes and comes back on its host, half of them without a goodbye. */
  async restartAll(): Promise<void> {
    const nodes = this.#parties[0]?.guests.map(({ node }) => node) ?? []
    await Promise.all(
      nodes.map(async (node, i) => {
        if (i % 2 === 0) await node.stop()
        else await node.crash()
        node.host.isUp = true
        await this.#world.addOn(node.host, node.made)
      }),
    )
    await this.#world.time.sleep(1_000)
    await this.#meet()
  }

  async #counting(work: () => Promise<void>): Promise<Counts> {
    const before = this.#parties.map(({ ledger }) => ledger.deliveries)
    await work()
    await this.#world.time.sleep(REST_MS)
    const [strict = 0, counted = 0, cache = 0] = this.#parties.map(
      ({ ledger }, i) => ledger.deliveries - (before[i] ?? 0),
    )
    return { strict, counted, cache }
  }

  async #stranger(hears: (message: Told) => void, topics: readonly string[]): Promise<Stranger> {
    const node = await this.#world.add({ options: STRANGER })
    const stranger = new Stranger(node, topics, (_, { messages }) => {
      for (const message of messages) hears(message)
    })
    await stranger.start()
    return stranger
  }

  async #meet(): Promise<void> {
    const [first] = this.#parties
    for (const party of this.#parties) party.enrolAll()
    await first?.meet(RINGS)
    const guests = first?.guests ?? []
    for (const stranger of [this.#listener, this.#thief]) {
      for (const { node } of guests) if (stranger) await connect(stranger.node, node)
    }
    for (const party of this.#parties) await party.settle(RINGS, SETTLE_MS_MAX)
    await this.#world.time.sleep(REST_MS)
  }

  get #world() {
    const [first] = this.#parties
    if (first === undefined) throw new RangeError('no topic')
    return first.world
  }
}

function isTwice(complaint: string): boolean {
  return complaint.endsWith('twice')
}

/** Each count by when and where: `lateStrict`, `lateCounted`… */
function flat(again: Readonly<Record<string, Counts>>): Record<string, number> {
  return Object.fromEntries(
    Object.entries(again).flatMap(([when, counts]) =>
      Object.entries(counts).map(([rule, count]) => [
        `${when}${rule.charAt(0).toUpperCase()}${rule.slice(1)}`,
        count,
      ]),
    ),
  )
}
