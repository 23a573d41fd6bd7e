/** What a node is made of before it starts. */

import type { Clock, Registry, RootLogger } from '../base/index.ts'
import type { Parts } from './compose.ts'
import type { DataDir } from './data-dir.ts'
import type { ResolvedConfig } from './load-config.ts'

export interface Made {
  readonly config: ResolvedConfig
  readonly parts: Parts
  readonly dataDir: DataDir
  readonly registry: Registry
  readonly log: RootLogger
  readonly version: string
  readonly clock: Clock
}
