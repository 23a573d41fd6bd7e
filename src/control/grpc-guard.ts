/**
 * Who may call over gRPC, and how much at once. The token is looked at when the head of a call is
 * there and nothing of its message has been read; a probe of health goes without.
 */

import {
  ResponderBuilder,
  ServerInterceptingCall,
  type ServerInterceptor,
  ServerListenerBuilder,
} from '@grpc/grpc-js'
import type { CodedError } from '../base/index.ts'
import { ControlError } from './errors.ts'
import { grpcErrorOf } from './grpc-status.ts'
import { refusedBearer } from './guard.ts'

/** Asked by supervisors, who have no token; it says no more than `/ready` does. */
const PUBLIC = '/grpc.health.v1.Health/Check'
/** A stream that answers each message, of which a caller needs some ten. */
const REFLECTION = /^\/grpc\.reflection\./
const REFLECTIONS_MAX = 256

export interface GrpcGuardRules {
  readonly token: string
  /** Calls in work on all connections together. */
  readonly callsMax: number
}

/** Refuses a call before its message is read; counts those in work. */
export function grpcGuard({ token, callsMax }: GrpcGuardRules): ServerInterceptor {
  let calls = 0
  return ({ path }, call) => {
    let isCounted = false
    let messages = 0
    const end = () => {
      if (isCounted) calls -= 1
      isCounted = false
    }
    const refuse = (error: CodedError) => call.sendStatus(grpcErrorOf(error))
    const listener = new ServerListenerBuilder()
      .withOnReceiveMetadata((metadata, next) => {
        const [authorization] = metadata.get('authorization')
        const refusal =
          path === PUBLIC ? undefined : refusedBearer(authorization?.toString(), { path, token })
        if (refusal !== undefined) {
          refuse(refusal)
          return
        }
        if (calls >= callsMax) {
          refuse(ControlError.CALLS_BUSY({ limit: callsMax }))
          return
        }
        calls += 1
        isCounted = true
        // Nothing below needs it, and nothing below shall write it down.
        metadata.remove('authorization')
        next(metadata)
      })
      .withOnReceiveMessage((message, next) => {
        messages += 1
        const isTooMany = REFLECTION.test(path) && messages > REFLECTIONS_MAX
        if (isTooMany) refuse(ControlError.CALLS_BUSY({ limit: REFLECTIONS_MAX }))
        else next(message)
      })
      .withOnCancel(end)
      .build()
    const responder = new ResponderBuilder()
      .withStart((next) => next(listener))
      .withSendStatus((status, next) => {
        end()
        next(status)
      })
      .build()
    return new ServerInterceptingCall(call, responder)
  }
}
