/** What a configuration has at a knob's place, such as `dht.recordTtlSeconds`. */

import type { NodeConfig } from './config.ts'

export function valueAt(config: NodeConfig, path: string): unknown {
  return path
    .split('.')
    .reduce<unknown>((at, name) => (at as Record<string, unknown>)[name], config)
}
