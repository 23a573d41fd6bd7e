/** What a router would answer, byte by byte: the other side of PCP and NAT-PMP, for tests. */

import { Buffer } from 'node:buffer'
import { parseIp } from '../../src/ip/index.ts'

/** How a PCP router answers a MAP request; what is not said is as asked for. */
export interface PcpSays {
  readonly result?: number
  readonly lifetimeSeconds?: number
  readonly epochSeconds?: number
  readonly externalHost?: string
  readonly externalPort?: number
  readonly nonce?: Uint8Array
}

/** The answer to a request of ours, MAP or ANNOUNCE. */
export function pcpAnswerTo(request: Uint8Array, says: PcpSays = {}): Buffer {
  const isMap = request[1] === 1
  const answer = Buffer.alloc(isMap ? 60 : 24)
  answer[0] = 2
  answer[1] = 0x80 | (request[1] ?? 0)
  answer[3] = says.result ?? 0
  const asked = Buffer.from(request).readUInt32BE(4)
  answer.writeUInt32BE(says.lifetimeSeconds ?? asked, 4)
  answer.writeUInt32BE(says.epochSeconds ?? 1_000, 8)
  if (!isMap) return answer
  Buffer.from(request).copy(answer, 24, 24, 60)
  Buffer.from(says.nonce ?? []).copy(answer, 24)
  if (says.externalPort !== undefined) answer.writeUInt16BE(says.externalPort, 42)
  const host = says.externalHost ?? '5.9.77.100'
  const address = host.includes(':') ? host : `::ffff:${host}`
  Buffer.from(parseIp(address).bytes).copy(answer, 44)
  return answer
}

/** How a NAT-PMP router answers; what is not said is as asked for. */
export interface NatPmpSays {
  readonly result?: number
  readonly lifetimeSeconds?: number
  readonly epochSeconds?: number
  readonly externalHost?: string
  readonly externalPort?: number
  readonly internalPort?: number
}

/** The answer to a request of ours, for the external address or a mapping. */
export function natPmpAnswerTo(request: Uint8Array, says: NatPmpSays = {}): Buffer {
  const asked = Buffer.from(request)
  const isMap = asked[1] !== 0
  const answer = Buffer.alloc(isMap ? 16 : 12)
  answer[1] = 128 + (asked[1] ?? 0)
  answer.writeUInt16BE(says.result ?? 0, 2)
  answer.writeUInt32BE(says.epochSeconds ?? 1_000, 4)
  if (!isMap) {
    Buffer.from(parseIp(says.externalHost ?? '5.9.77.100').bytes).copy(answer, 8)
    return answer
  }
  answer.writeUInt16BE(says.internalPort ?? asked.readUInt16BE(4), 8)
  answer.writeUInt16BE(says.externalPort ?? asked.readUInt16BE(6), 10)
  answer.writeUInt32BE(says.lifetimeSeconds ?? asked.readUInt32BE(8), 12)
  return answer
}
