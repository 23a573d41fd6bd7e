/** From a configuration to a running node: data folder, keys, log, rooms; or nothing of it. */

import { createLog, packageVersion, Registry, secureRandom, systemClock } from '../base/index.ts'
import { loadOrCreateKeys } from '../identity/index.ts'
import { registryPlace } from './agent-registry.ts'
import { compose } from './compose.ts'
import type { NodeOptions } from './config.ts'
import { openDataDir } from './data-dir.ts'
import { ethSignerOf } from './eth-key.ts'
import { checkInjected, type Injected } from './injected.ts'
import { keysOfSigner } from './injected-keys.ts'
import { checkPeerId, type ResolvedConfig, resolveOptions } from './load-config.ts'
import { Node } from './node.ts'
import type { Environment } from './settings.ts'

/** What a node takes besides its configuration; all of it has a default. */
export interface NodeDeps {
  readonly version?: string
  /** Takes log lines instead of standard error. */
  readonly writeLog?: (line: string) => void
  /** Where secrets are that the configuration names, in place of this process's environment. */
  readonly environment?: Environment
  /** Parts that a program brings in place of ours. */
  readonly injected?: Injected
}

const clock = systemClock
const random = secureRandom

/**
 * Starts a node from options in code; what they leave out comes from their preset. `injected` are
 * parts that you bring yourself.
 *
 * Stop it, or hold it with `await using`. A signal such as ctrl-C ends a program without either:
 * its peers notice that the connection is gone, and the next start finds the data folder free.
 */
export async function createNode(
  options: NodeOptions = {},
  injected: Injected = {},
): Promise<Node> {
  return openNode(resolveOptions(options), { injected })
}

/** Opens the data folder, starts every room, and resolves when the node can be used. */
export async function openNode(config: ResolvedConfig, deps: NodeDeps): Promise<Node> {
  const { injected = {} } = deps
  checkInjected(injected)
  const dataDir = await openDataDir(config.dataDir, random)
  try {
    const { signer } = injected
    const keys =
      signer === undefined
        ? await loadOrCreateKeys(dataDir.keyFile, random)
        : await keysOfSigner(signer, { random, clock })
    checkPeerId(config, keys.signer.peer, signer ? 'the injected signer' : dataDir.keyFile)
    const { version = packageVersion(), writeLog } = deps
    const log = createLog({ ...config.log, ...(writeLog && { write: writeLog }) })
    const registry = new Registry()
    const eth = await ethSignerOf(config, random, deps.environment)
    const place = await registryPlace(config, deps.environment)
    const given = { keys, eth, place, registry, clock, random, log, version, injected }
    const parts = await compose(config, given)
    const node = new Node({ config, parts, dataDir, registry, log, version, clock })
    await node.start()
    return node
  } catch (error) {
    await dataDir.close()
    throw error
  }
}
