/**
 * libp2p's logger over ours.
 *
 * What libp2p calls an error is nearly always a peer's doing (a dial that failed, a reset), so all
 * of it is `debug` here. Nothing is formatted before the level says that somebody reads it: libp2p
 * logs each stream and frame.
 */

import { format } from 'node:util'
import type { ComponentLogger, Logger as Libp2pLogger } from '@libp2p/interface'
import type { Logger } from '../base/index.ts'

/** Every component of libp2p becomes a module of ours (`libp2p:tcp`), with a level of its own. */
export function libp2pLogger(log: Logger): ComponentLogger {
  return { forComponent: (name) => loggerOf(log.child(name), '') }
}

function loggerOf(log: Logger, scope: string): Libp2pLogger {
  const say = (level: string, formatter: unknown, values: readonly unknown[]) =>
    log.debug('libp2p', {
      get said() {
        return formatted(formatter, values)
      },
      ...(scope === '' ? {} : { scope }),
      ...(level === '' ? {} : { level }),
    })
  return Object.assign(
    (formatter: unknown, ...values: readonly unknown[]) => say('', formatter, values),
    {
      enabled: true,
      error: (formatter: unknown, ...values: readonly unknown[]) => say('error', formatter, values),
      trace: () => undefined,
      newScope: (name: string) => loggerOf(log, scope === '' ? name : `${scope}:${name}`),
    },
  )
}

/** The directives that libp2p adds to printf's: peer ids, multiaddrs, keys, errors, bytes. */
const DIRECTIVES = /%[abcekmpt]/g

function formatted(formatter: unknown, values: readonly unknown[]): string {
  const pattern = formatter instanceof Error ? formatter.message : String(formatter)
  return format(pattern.replace(DIRECTIVES, '%s'), ...values.map(plain))
}

function plain(value: unknown): unknown {
  if (value instanceof Error) return value.message
  if (value instanceof Uint8Array) return `${value.length} bytes`
  if (typeof value !== 'object' || value === null) return value
  // Peer ids, multiaddrs and keys say what they are; anything else is left to `format`.
  const text = (value as { toString(): string }).toString()
  return text === '[object Object]' ? value : text
}
