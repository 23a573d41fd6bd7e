/** Where a node keeps what the tools of other peers said of themselves when they were approved. */

import { join } from 'node:path'
import type { Logger } from '../base/index.ts'
import { Approvals } from '../mcp/index.ts'
import type { ResolvedConfig } from './load-config.ts'

export function approvalsOf({ dataDir, mcp }: ResolvedConfig, log: Logger): Approvals {
  return new Approvals({ path: join(dataDir, 'tool-approvals.json'), log }, mcp)
}
