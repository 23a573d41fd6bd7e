/**
 * What a lasting channel remembers between two streams, sans I/O: the frames that the other side
 * has not taken yet, and those of the other side that nobody took here.
 *
 * Numbers of one direction: confirmed ≤ sent (on this stream) ≤ written at the writer, and
 * taken ≤ received at the reader. A resume tells both of the reader's; the writer goes on after
 * `received` and forgets up to `taken`. Whatever cannot be so is the other side's lie or our bug,
 * and ends the session with a coded error.
 */

import { assert } from '../base/index.ts'
import { WireError } from '../wire/index.ts'
import { encodeMessage, type Message, type Position, type Window } from './lasting-codec.ts'

/** A receipt is due after so many frames or bytes; until then it waits for more to confirm. */
const RECEIPT_FRAMES = 16
const RECEIPT_BYTES = 64 * 1_024

interface Unconfirmed {
  readonly message: Uint8Array
  /** Of the payload; an end has none. */
  readonly bytes: number
}

/** What the reader gets: a frame, or the end. */
export type Taken = Uint8Array | 'end'

export class LastingSession {
  readonly #window: Window
  /** Frames after `#confirmed`, in order. */
  #outbox: Unconfirmed[] = []
  #outboxBytes = 0
  #confirmed = 0
  #written = 0
  #sent = 0
  /** Of those after `#confirmed` up to `#sent`. */
  #sentBytes = 0
  /** The highest number that was ever handed to a stream. */
  #everSent = 0
  #ended = false
  #theirs: Window | undefined
  #inbox: Uint8Array[] = []
  #inboxBytes = 0
  #received = 0
  #taken = 0
  #takenBytes = 0
  #told = 0
  /** The number of the other side's end, once it came. */
  #endsAt: number | undefined

  /** `window` bounds both what waits to be confirmed and what waits to be read. */
  constructor(window: Window) {
    this.#window = window
  }

  /** Frames of ours that nobody confirmed; the end is none. */
  get unconfirmed(): number {
    return this.#outbox.length - (this.#ended && this.#confirmed < this.#written ? 1 : 0)
  }

  get unconfirmedBytes(): number {
    return this.#outboxBytes
  }

  /** The number of the last frame written, and of the last one confirmed. */
  get written(): number {
    return this.#written
  }

  get confirmed(): number {
    return this.#confirmed
  }

  /** Whether the other side took everything, and our end with it. */
  get isDelivered(): boolean {
    return this.#ended && this.#confirmed === this.#written
  }

  /** Whether the other side's end was taken here. */
  get isRead(): boolean {
    return this.#endsAt !== undefined && this.#taken === this.#endsAt
  }

  /** Both ends are taken, and the other side is told of it: nothing is left to say. */
  get isOver(): boolean {
    return this.isDelivered && this.isRead && this.#told === this.#taken
  }

  get unread(): number {
    return this.#inbox.length
  }

  get unreadBytes(): number {
    return this.#inboxBytes
  }

  /** Something was taken that the other side was not told of; `due` when it should be now. */
  get receipt(): 'none' | 'waits' | 'due' {
    const frames = this.#taken - this.#told
    if (frames === 0) return 'none'
    const many = frames >= RECEIPT_FRAMES || this.#takenBytes >= RECEIPT_BYTES || this.isRead
    return many ? 'due' : 'waits'
  }

  hasRoom(bytes: number): boolean {
    const { frames, bytes: bytesMax } = this.#window
    return this.unconfirmed < frames && this.#outboxBytes + bytes <= bytesMax
  }

  /** Keeps a copy until it is confirmed. */
  write(payload: Uint8Array): number {
    assert(!this.#ended && this.hasRoom(payload.length), 'a frame is written where there is room')
    this.#written += 1
    const message = encodeMessage({ kind: 'data', number: this.#written, payload })
    this.#outbox.push({ message, bytes: payload.length })
    this.#outboxBytes += payload.length
    return this.#written
  }

  /** No frame comes after this one. */
  end(): void {
    if (this.#ended) return
    this.#ended = true
    this.#written += 1
    const message = encodeMessage({ kind: 'end', number: this.#written })
    this.#outbox.push({ message, bytes: 0 })
  }

  /** How far we have read, for a hello or a welcome; whoever hears it needs no receipt. */
  position(): Position {
    return { received: this.#received, taken: this.#taken }
  }

  get window(): Window {
    return this.#window
  }

  /** A new stream, whose other side has read so far. */
  attach(position: Position, window: Window): void {
    const { received, taken } = position
    if (received > this.#everSent) throw violation('received', received)
    if (taken < this.#confirmed || taken > received) throw violation('taken', taken)
    this.#confirm(taken)
    this.#sent = received
    const under = this.#outbox.slice(0, this.#sent - this.#confirmed)
    this.#sentBytes = under.reduce((sum, { bytes }) => sum + bytes, 0)
    this.#theirs = window
    // What the other side was told before may have been lost with the stream.
    this.#told = 0
  }

  /** What to say next, `undefined` for nothing; a receipt only when it is due or `told` now. */
  next(told: boolean): Uint8Array | undefined {
    if (this.#theirs === undefined) return undefined
    if (this.receipt === 'due' || (told && this.receipt === 'waits')) return this.beat()
    const item = this.#outbox[this.#sent - this.#confirmed]
    if (item === undefined) return undefined
    const isEnd = this.#ended && this.#sent + 1 === this.#written
    const frames = this.#sent - this.#confirmed
    const fits =
      isEnd || (frames < this.#theirs.frames && this.#sentBytes + item.bytes <= this.#theirs.bytes)
    if (!fits) return undefined
    this.#sent += 1
    this.#sentBytes += item.bytes
    this.#everSent = Math.max(this.#everSent, this.#sent)
    return item.message
  }

  /** A receipt, also where it says nothing new. */
  beat(): Uint8Array {
    this.#told = this.#taken
    this.#takenBytes = 0
    return encodeMessage({ kind: 'receipt', taken: this.#taken })
  }

  /** Takes a message of the other side; throws where the rules were broken. */
  receive(message: Message): void {
    if (message.kind === 'data') this.#receiveData(message.number, message.payload)
    else if (message.kind === 'end') this.#receiveEnd(message.number)
    else if (message.kind === 'receipt') this.#receiveReceipt(message.taken)
    else throw WireError.MALFORMED({ field: 'kind', found: message.kind })
  }

  /** The next frame for the program, the end, or nothing yet; the end is given again and again. */
  take(): Taken | undefined {
    const frame = this.#inbox.shift()
    if (frame !== undefined) {
      this.#taken += 1
      this.#takenBytes += frame.length
      this.#inboxBytes -= frame.length
      return frame
    }
    if (this.#endsAt === undefined) return undefined
    this.#taken = this.#endsAt
    return 'end'
  }

  #receiveData(number: number, payload: Uint8Array): void {
    this.#checkNext(number)
    const { frames, bytes } = this.#window
    const isFull = this.#inbox.length >= frames || this.#inboxBytes + payload.length > bytes
    if (isFull) throw violation('a frame beyond the window', number)
    this.#received = number
    // A view would keep the larger piece alive that it arrived in.
    this.#inbox.push(new Uint8Array(payload))
    this.#inboxBytes += payload.length
  }

  #receiveEnd(number: number): void {
    this.#checkNext(number)
    this.#received = number
    this.#endsAt = number
  }

  #receiveReceipt(taken: number): void {
    if (taken < this.#confirmed || taken > this.#sent) throw violation('receipt', taken)
    this.#confirm(taken)
  }

  #checkNext(number: number): void {
    if (this.#endsAt !== undefined) throw violation('a frame after the end', number)
    if (number !== this.#received + 1) throw violation('number', number)
  }

  #confirm(taken: number): void {
    const gone = this.#outbox.splice(0, taken - this.#confirmed)
    const bytes = gone.reduce((sum, one) => sum + one.bytes, 0)
    this.#outboxBytes -= bytes
    this.#sentBytes -= bytes
    this.#confirmed = taken
  }
}

function violation(field: string, found: number) {
  return WireError.MALFORMED({ field: `${field} of a lasting channel`, found })
}
