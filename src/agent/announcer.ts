/**
 * Says on the topics that this agent is here and how it is, and hears the same of others.
 *
 * `agent-announcements` carries the whole record, so that who hears it can write to the agent
 * without a look-up: at the start, again every few minutes, as soon as somebody listens if nobody
 * did, and once more for each who hands it on from now on or, among few agents, who comes.
 * `node-status` carries how the node is, once a minute; who sends none announces itself as often.
 * The last word when a node stops is that it leaves; who does not hear it waits two minutes.
 */

import { type Clock, Emitter, either, every, type Logger, type Service } from '../base/index.ts'
import type { EthAddress, PeerId } from '../identity/index.ts'
import type { Host } from '../net/index.ts'
import type { Message, Published, Pubsub } from '../pubsub/index.ts'
import type { AgentConfig } from './config.ts'
import type { PresenceEvents } from './events.ts'
import type { PresenceMetrics } from './metrics.ts'
import { AGAIN_MS, GREETED_AGENTS_MAX, Newcomers } from './newcomers.ts'
import {
  ANNOUNCEMENTS_TOPIC,
  type Notice,
  noticeRules,
  STATUS_TOPIC,
  type StatusNumbers,
} from './notice.ts'
import { type HeardNotice, withOpenPond, writeOpenPondNotice } from './openpond-notice.ts'
import { OpenPondRoster } from './openpond-roster.ts'
import type { OwnRecord } from './own-record.ts'
import type { Presence } from './presence.ts'
import { type AgentChange, type AgentInfo, Roster } from './roster.ts'

export interface AnnouncerDeps {
  /** Null without topics: then nothing is said and nobody is heard. */
  readonly pubsub: Pick<Pubsub, 'topic' | 'publish' | 'subscribe' | 'mesh' | 'onChange'> | null
  readonly host: { readonly events: Pick<Host['events'], 'on'> }
  readonly own: Pick<OwnRecord, 'current'>
  readonly presence: Pick<Presence, 'heard'>
  /** How this node is now, but for what the announcer knows itself. */
  readonly numbers: () => Omit<StatusNumbers, 'uptimeSeconds'>
  readonly clock: Clock
  readonly log: Logger
  readonly metrics: PresenceMetrics
  readonly network: string
  /** Who we are to OpenPond's nodes; null where `agent.openpond_compat` is off. */
  readonly openpond?: { readonly address: EthAddress; readonly peer: PeerId } | null
}

export type AnnouncerConfig = Pick<
  AgentConfig,
  'name' | 'announce' | 'statusIntervalMs' | 'statusPrivacy'
>

const ANNOUNCE_MS = 300_000
/** A peer that came a moment ago has not said yet what it subscribes to. */
const LISTENERS_WAIT_MS = 5_000
/** A crowd that comes at once is told once. */
const SETTLE_MS = 1_000
const FAREWELL_MS = 1_000
const SWEEP_MS = 10_000

export class Announcer implements Service {
  readonly name = 'announcer'
  readonly events: Emitter<PresenceEvents>
  readonly #deps: AnnouncerDeps
  readonly #config: AnnouncerConfig
  readonly #roster: Roster
  readonly #openpond: OpenPondRoster
  readonly #life = new AbortController()
  readonly #loops: Promise<void>[] = []
  readonly #newcomers: Newcomers
  readonly #unsubscribe: (() => void)[] = []
  #nap = new AbortController()
  #sinceMs = 0
  #isHeard = false

  constructor(deps: AnnouncerDeps, config: AnnouncerConfig) {
    this.#deps = deps
    this.#config = config
    const { log, clock } = deps
    this.events = new Emitter((error) => log.error('listener failed', { error }))
    this.#newcomers = new Newcomers(clock, ANNOUNCE_MS)
    const changed = (change: AgentChange) => {
      const isFew = this.#roster.agents().length <= GREETED_AGENTS_MAX
      if (change.state === 'here' && isFew) this.#again()
      this.events.emit('agent', change)
    }
    this.#roster = new Roster(clock, changed)
    const isBound = (address: EthAddress) => this.#roster.has(address)
    this.#openpond = new OpenPondRoster({ clock, log, isBound, changed })
  }

  async start(): Promise<void> {
    const { pubsub, clock, host, network } = this.#deps
    const { announce, statusIntervalMs, statusPrivacy } = this.#config
    const { signal } = this.#life
    this.#sinceMs = clock.now()
    if (pubsub === null) return
    const own = noticeRules({ network, now: () => clock.now() })
    const rules = withOpenPond(own, { isRead: (this.#deps.openpond ?? null) !== null })
    for (const topic of [ANNOUNCEMENTS_TOPIC, STATUS_TOPIC]) {
      pubsub.topic(topic, rules)
      this.#loops.push(this.#hear(pubsub.subscribe<HeardNotice>(topic, { signal })))
    }
    this.#loops.push(every(clock, SWEEP_MS, async () => this.#sweep(), signal))
    if (announce) {
      this.#unsubscribe.push(
        host.events.on('identified', () => {
          if (!this.#isHeard) this.#nap.abort()
        }),
        pubsub.onChange(() => {
          if (this.#newcomers.among(pubsub.mesh(ANNOUNCEMENTS_TOPIC))) this.#again()
        }),
      )
      this.#loops.push(this.#announce(pubsub))
    }
    if (statusPrivacy !== 'none') {
      this.#loops.push(every(clock, statusIntervalMs, () => this.#status(), signal))
    }
  }

  /** Says goodbye, if anybody can still hear it. */
  async stop(): Promise<void> {
    for (const unsubscribe of this.#unsubscribe.splice(0)) unsubscribe()
    if (this.#deps.pubsub !== null && this.#config.announce) {
      using deadline = this.#deps.clock.deadline(FAREWELL_MS, this.#life.signal)
      await this.#say(ANNOUNCEMENTS_TOPIC, { isHere: false }, { signal: deadline.signal })
    }
    this.#life.abort()
    await Promise.allSettled(this.#loops)
  }

  /** Who is here by its own word, this node not among them. */
  agents(): readonly AgentInfo[] {
    return [...this.#roster.agents(), ...this.#openpond.agents()]
  }

  async #hear(notices: AsyncIterable<Message<HeardNotice>>): Promise<void> {
    for await (const { value, from } of notices) {
      if ('openpond' in value) {
        this.#openpond.heard(value.openpond, from)
        continue
      }
      this.#deps.presence.heard(value)
      this.#roster.heard(value)
      this.#deps.metrics.agents.set(this.#roster.agents().length)
    }
  }

  #sweep(): void {
    this.#roster.sweep()
    this.#openpond.sweep()
    this.#deps.metrics.agents.set(this.#roster.agents().length)
  }

  /** Somebody is here who may not have heard the last announcement. */
  #again(): void {
    if (this.#isHeard) this.#nap.abort()
  }

  /** At once, again while it lasts, and when somebody comes who has not heard it. */
  async #announce(pubsub: NonNullable<AnnouncerDeps['pubsub']>): Promise<void> {
    const { clock } = this.#deps
    const { signal } = this.#life
    while (!signal.aborted) {
      this.#nap = new AbortController()
      const mesh = pubsub.mesh(ANNOUNCEMENTS_TOPIC)
      const said = await this.#say(
        ANNOUNCEMENTS_TOPIC,
        { isHere: true },
        { signal, waitForPeersMs: LISTENERS_WAIT_MS },
      )
      const saidMs = clock.now()
      this.#isHeard = said?.state === 'sent'
      if (this.#isHeard) this.#newcomers.told(mesh)
      await this.#sayToOpenPond()
      using woken = either(signal, this.#nap.signal)
      await clock.sleep(this.#announceMs(), woken.signal).catch(() => undefined)
      const sinceMs = this.#isHeard ? AGAIN_MS - (clock.now() - saidMs) : 0
      if (this.#isHeard && !this.#nap.signal.aborted) continue
      await clock.sleep(Math.max(SETTLE_MS, sinceMs), signal).catch(() => undefined)
    }
  }

  /** Others forget who says nothing for two minutes: without a status this is all they hear. */
  #announceMs(): number {
    const { statusIntervalMs, statusPrivacy } = this.#config
    return statusPrivacy === 'none' ? statusIntervalMs : ANNOUNCE_MS
  }

  async #status(): Promise<void> {
    const { clock, numbers } = this.#deps
    const uptimeSeconds = Math.floor((clock.now() - this.#sinceMs) / 1_000)
    const isFull = this.#config.statusPrivacy === 'full'
    const status = isFull ? { status: { ...numbers(), uptimeSeconds } } : {}
    await this.#say(STATUS_TOPIC, { isHere: true, ...status }, { signal: this.#life.signal })
    await this.#sayToOpenPond()
  }

  /** As often as they do it themselves: who comes later has heard nothing. */
  async #sayToOpenPond(): Promise<void> {
    const { pubsub, clock, log, openpond } = this.#deps
    const { name, announce } = this.#config
    if (!announce || !openpond) return
    const { signal } = this.#life
    const notice = writeOpenPondNotice({ ...openpond, name, atMs: clock.now() })
    try {
      await pubsub?.publish(ANNOUNCEMENTS_TOPIC, notice, { signal })
    } catch (error) {
      if (!signal.aborted) log.warn('notice not published', { topic: ANNOUNCEMENTS_TOPIC, error })
    }
  }

  async #say(
    topic: string,
    what: Pick<Notice, 'isHere' | 'status'>,
    options: { readonly signal: AbortSignal; readonly waitForPeersMs?: number },
  ): Promise<Published | undefined> {
    const { pubsub, own, clock, log } = this.#deps
    try {
      const { value, brief } = await own.current()
      const record = topic === STATUS_TOPIC ? brief : value
      const times = { atMs: clock.now(), sinceMs: this.#sinceMs }
      const notice: Notice = { record, name: this.#config.name, ...times, ...what }
      return await pubsub?.publish(topic, notice, options)
    } catch (error) {
      if (!options.signal.aborted) log.warn('notice not published', { topic, error })
      return undefined
    }
  }
}
