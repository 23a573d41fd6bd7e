/**
 * Questions to one peer over one stream that stays open (decision 16).
 *
 * kad-dht answers in the order of the questions, so they are sent without waiting and matched by
 * position. A question that gets no answer in time costs the stream, for nothing that follows
 * could be matched. Peers differ in how long they keep a stream: some close it after one answer or
 * when it idles. What a stream that had worked leaves unanswered is asked again on a new one.
 */

import { type Clock, CodedError, hasCode } from '../base/index.ts'
import type { PeerId } from '../identity/index.ts'
import type { Channel, Host, Protocol } from '../net/index.ts'
import { DhtError, isCoded } from './errors.ts'
import { decodeMessage, type Message, type MessageType } from './wire.ts'

/** More than all lookups of a busy node ask of one peer at once. */
const WAITING_MAX = 128
const TRIES_MAX = 3

export interface LineDeps {
  readonly host: Pick<Host, 'open'>
  readonly clock: Clock
  readonly protocol: Protocol
  /** Called when nothing is left to ask and no stream is open. */
  readonly ended: () => void
}

export interface LineConfig {
  readonly questionTimeoutMs: number
  readonly streamIdleMs: number
}

interface Question {
  /** Frames to send; the last of them is the one that is answered. */
  readonly frames: readonly Uint8Array[]
  readonly wants: MessageType
  readonly settle: (outcome: Message | CodedError) => void
  tries: number
}

export class Line {
  readonly peer: PeerId
  readonly #deps: LineDeps
  readonly #config: LineConfig
  readonly #queue: Question[] = []
  #sent: Question[] = []
  #channel: Channel | undefined
  #working = false
  #writing = false
  #stopped = false
  /** The peer ends its streams after one answer; then one question at a time. */
  #single = false

  constructor(peer: PeerId, deps: LineDeps, config: LineConfig) {
    this.peer = peer
    this.#deps = deps
    this.#config = config
  }

  get idle(): boolean {
    return this.#queue.length + this.#sent.length === 0
  }

  /** Sends `frames` and resolves with the answer to the last; never later than the deadline. */
  async ask(frames: readonly Uint8Array[], wants: MessageType): Promise<Message> {
    const waiting = this.#queue.length + this.#sent.length
    if (waiting >= WAITING_MAX) throw DhtError.PEER_BUSY({ peer: this.peer, waiting })
    const { promise, resolve, reject } = Promise.withResolvers<Message>()
    const deadline = this.#deps.clock.deadline(this.#config.questionTimeoutMs)
    const question: Question = {
      frames,
      wants,
      tries: 0,
      settle: (outcome) => {
        deadline[Symbol.dispose]()
        if (outcome instanceof CodedError) reject(outcome)
        else resolve(outcome)
      },
    }
    deadline.signal.addEventListener('abort', () => this.#expire(question), { once: true })
    this.#queue.push(question)
    void (this.#channel === undefined ? this.#work() : this.#flush())
    return promise
  }

  /** Drops the stream and whatever waits. */
  stop(): void {
    this.#stopped = true
    const error = this.#failure('the node is stopping')
    this.#channel?.abort(error)
    this.#failAll(error)
  }

  /** One stream after the other, for as long as there is something to ask. Never rejects. */
  async #work(): Promise<void> {
    if (this.#working) return
    this.#working = true
    while (this.#queue.length > 0 && !this.#stopped) {
      try {
        await this.#converse(await this.#open())
      } catch (error) {
        this.#failAll(this.#codedFrom(error))
      }
    }
    this.#working = false
    this.#deps.ended()
  }

  async #open(): Promise<Channel> {
    const { host, clock, protocol } = this.#deps
    using deadline = clock.deadline(this.#config.questionTimeoutMs)
    return await host.open(this.peer, protocol, { signal: deadline.signal })
  }

  /** Writes and reads until the stream ends, whoever ends it. */
  async #converse(channel: Channel): Promise<void> {
    let answers = 0
    let failure = this.#failure('it closed the stream')
    this.#channel = channel
    try {
      void this.#flush()
      for (;;) {
        const frame = await this.#read(channel)
        if (frame === undefined) break
        this.#answer(frame)
        answers += 1
        if (this.#single) break
        void this.#flush()
      }
      if (answers === 1 && this.#sent.length > 0) this.#single = true
      // Nobody waits for the goodbye.
      channel.close().catch(() => undefined)
    } catch (error) {
      failure = this.#codedFrom(error)
      channel.abort(failure)
    } finally {
      if (this.#channel === channel) this.#channel = undefined
      this.#leave(answers, failure)
    }
  }

  async #read(channel: Channel): Promise<Uint8Array | undefined> {
    using idle = this.#deps.clock.deadline(this.#config.streamIdleMs)
    try {
      return await channel.read({ signal: idle.signal })
    } catch (error) {
      if (idle.signal.aborted) return undefined
      throw error
    }
  }

  #answer(frame: Uint8Array): void {
    const message = decodeMessage(frame)
    const question = this.#sent.shift()
    if (question === undefined) throw this.#failure('it answered what nobody asked')
    if (message.type !== question.wants) {
      const error = this.#failure(`it answered ${message.type} to ${question.wants}`)
      question.settle(error)
      throw error
    }
    question.settle(message)
  }

  /** What a stream leaves behind is asked again only if that stream had answered before. */
  #leave(answers: number, failure: CodedError): void {
    const left = this.#sent
    this.#sent = []
    const again = left.filter(({ tries }) => answers > 0 && tries < TRIES_MAX && !this.#stopped)
    for (const question of left) if (!again.includes(question)) question.settle(failure)
    this.#queue.unshift(...again)
  }

  /** One writer at a time; it moves on to the next stream when the one it writes to breaks. */
  async #flush(): Promise<void> {
    if (this.#writing) return
    this.#writing = true
    for (let channel = this.#channel; channel !== undefined; channel = this.#channel) {
      if (this.#queue.length === 0 || (this.#single && this.#sent.length > 0)) break
      try {
        await this.#send(channel)
      } catch (error) {
        if (this.#channel === channel) this.#channel = undefined
        channel.abort(this.#codedFrom(error))
      }
    }
    this.#writing = false
  }

  async #send(channel: Channel): Promise<void> {
    const question = this.#queue.shift()
    if (question === undefined) return
    question.tries += 1
    this.#sent.push(question)
    using deadline = this.#deps.clock.deadline(this.#config.questionTimeoutMs)
    for (const frame of question.frames) await channel.write(frame, { signal: deadline.signal })
  }

  #expire(question: Question): void {
    const error = this.#failure(`none came in ${this.#config.questionTimeoutMs} ms`)
    question.settle(error)
    const queued = this.#queue.indexOf(question)
    if (queued >= 0) this.#queue.splice(queued, 1)
    if (this.#sent.includes(question)) this.#channel?.abort(error)
  }

  #failAll(error: CodedError): void {
    for (const question of [...this.#sent, ...this.#queue]) question.settle(error)
    this.#sent = []
    this.#queue.length = 0
  }

  #codedFrom(error: unknown): CodedError {
    if (isCoded(error) && !hasCode(error, 'BASE_DEADLINE')) return error
    return this.#failure('the stream broke', error)
  }

  #failure(reason: string, cause?: unknown): CodedError {
    return DhtError.PEER_FAILED({ peer: this.peer, reason }, cause)
  }
}
