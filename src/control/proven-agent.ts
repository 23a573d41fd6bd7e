/**
 * Connections to a node that has proven itself (`proof.ts`): each is asked before a request may use
 * it, so neither the token nor any argument reaches a stranger, also not after a reconnect.
 *
 * The question goes over the bare socket, because the HTTP client hands a connection to its agent
 * only when it may be used.
 */

import type { ClientRequestArgs } from 'node:http'
import { connect, type Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { type Random, systemClock } from '../base/index.ts'
import { ControlError } from './errors.ts'
import { Agent } from './node-http.ts'
import { isProof, NONCE_BYTES } from './proof.ts'
import { proof as proofShape } from './shapes/api.ts'

const PROOF_MS = 5_000
const ANSWER_BYTES_MAX = 8_192
const HEAD_END = '\r\n\r\n'

export interface Proving {
  readonly token: string
  readonly random: Random
  /** Who should answer; without it whoever knows the token is right. */
  readonly peerId?: string
}

type Created = (error: Error | null, socket: Duplex) => void

export class ProvenAgent extends Agent {
  readonly #proving: Proving

  constructor(proving: Proving) {
    super({ keepAlive: true, maxSockets: 64 })
    this.#proving = proving
  }

  override createConnection(options: ClientRequestArgs, created?: Created): undefined {
    const host = options.host ?? '127.0.0.1'
    const port = Number(options.port)
    const socket = connect({ host, port })
    askForProof(socket, { host, port, proving: this.#proving }).then(
      () => created?.(null, socket),
      (cause: unknown) => {
        socket.destroy()
        const error =
          cause instanceof Error ? cause : ControlError.NODE_UNPROVEN({ reason: 'it failed' })
        created?.(error, socket)
      },
    )
  }
}

interface Asked {
  readonly host: string
  readonly port: number
  readonly proving: Proving
}

/** Resolves when the other end has proven itself; the socket is then as if nothing was said. */
async function askForProof(socket: Socket, { host, port, proving }: Asked): Promise<void> {
  const { token, random, peerId: wanted } = proving
  const nonce = Buffer.from(random.bytes(NONCE_BYTES)).toString('base64url')
  const name = host.includes(':') ? `[${host}]` : host
  socket.write(`GET /proof?nonce=${nonce} HTTP/1.1\r\nhost: ${name}:${port}${HEAD_END}`)
  const answer = proofShape.safeParse(jsonOf(await bodyFrom(socket)))
  if (!answer.success) throw ControlError.NODE_UNPROVEN({ reason: 'it cannot prove who it is' })
  const { peerId, proof } = answer.data
  if (wanted !== undefined && peerId !== wanted) {
    throw ControlError.NODE_UNPROVEN({ reason: 'it is another node' })
  }
  if (!isProof(proof, token, { nonce, port, peerId })) {
    throw ControlError.NODE_UNPROVEN({ reason: 'it does not know the token in api.token' })
  }
}

/** The body of the one answer that this connection has seen. */
async function bodyFrom(socket: Socket): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>()
  using deadline = systemClock.deadline(PROOF_MS)
  let text = ''
  const read = (chunk: Buffer) => {
    text += chunk.toString('latin1')
    const body = wholeBody(text)
    if (body !== undefined) resolve(body)
    else if (text.length > ANSWER_BYTES_MAX) refuse('its answer is too long')
  }
  const refuse = (reason: string) => reject(ControlError.NODE_UNPROVEN({ reason }))
  const ended = () => refuse('it ended the connection')
  const late = () => refuse('it does not answer in time')
  socket.on('data', read).on('error', reject).on('close', ended)
  deadline.signal.addEventListener('abort', late)
  try {
    return await promise
  } finally {
    socket.off('data', read).off('error', reject).off('close', ended)
  }
}

/** `undefined` while a part of it has not come; a body without a length is none of ours. */
function wholeBody(text: string): string | undefined {
  const end = text.indexOf(HEAD_END)
  if (end < 0) return undefined
  const size = Number(/\r\ncontent-length: (\d{1,5})\r\n/i.exec(text.slice(0, end + 2))?.[1] ?? 0)
  const body = text.slice(end + HEAD_END.length)
  return body.length < size ? undefined : body
}

function jsonOf(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
