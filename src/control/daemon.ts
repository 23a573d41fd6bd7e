/** A node with its local faces, as `p2p start` runs it: configuration in, one thing to stop out. */

import { type Service, secureRandom, stopAll, systemClock } from '../base/index.ts'
import type { Environment, Flags, Node, ResolvedConfig } from '../node/index.ts'
import { ControlServer } from './control-server.ts'

export interface DaemonOptions {
  readonly flags: Flags
  readonly env: Environment
  readonly version: string
  /** Takes log lines instead of standard error. */
  readonly writeLog?: (line: string) => void
  /** Called where a client asks for the end of the node; without it, none may. */
  readonly stopAsked?: () => void
}

export interface Daemon {
  readonly node: Node
  readonly api: string
  readonly mcp: string | null
  /** `127.0.0.1:50051`; null where gRPC is off. */
  readonly grpc: string | null
  readonly tokenFile: string
  readonly listen: readonly string[]
  readonly dataDir: string
  /** What a person should know about this start, such as a port that was taken. */
  readonly notices: readonly string[]
  /** How many tool calls were made so far. */
  calls(): number
  /** How many requests of peers were answered so far. */
  served(): number
  /** Resolves when nothing of it is left; safe to call twice. */
  stop(): Promise<void>
}

/** Starts the node, then what speaks for it on this machine, and says where in `node.json`. */
export async function startDaemon(options: DaemonOptions): Promise<Daemon> {
  // Loaded here, so that a command that only talks to a node need not wait for a whole one.
  const { forgetSecrets, loadConfig, openNode } = await import('../node/index.ts')
  const { version, writeLog } = options
  const environment = { ...options.env }
  const { config, notices } = await loadConfig(options.flags, environment)
  forgetSecrets(config)
  const deps = { version, environment, ...(writeLog && { writeLog }) }
  const node = await openNode(config, deps)
  const running: Running = [node]
  try {
    const control = await openFaces(
      node,
      { config, version, stopAsked: options.stopAsked },
      running,
    )
    const { apiUrl: api = '', mcpUrl: mcp = null, grpcAddress: grpc = null } = control
    const startedAt = new Date(systemClock.now()).toISOString()
    const at = { api, mcp, grpc, listen: node.addresses }
    await node.dataDir.announce({ pid: process.pid, peerId: node.peerId, ...at, startedAt })
    let stopped: Promise<void> | undefined
    return {
      node,
      api,
      mcp,
      grpc,
      tokenFile: node.dataDir.tokenFile,
      listen: node.addresses,
      dataDir: node.dataDir.path,
      notices: [...notices, ...node.notices, ...control.notices],
      calls: () => node.calls,
      served: () => node.served,
      stop() {
        stopped ??= stopAll(running)
        return stopped
      },
    }
  } catch (error) {
    await stopAll(running).catch(() => undefined)
    throw error
  }
}

/** What ends with the daemon, in the order it began. */
type Running = Pick<Service, 'stop'>[]

interface Settings {
  readonly config: ResolvedConfig
  readonly version: string
  readonly stopAsked: (() => void) | undefined
}

/** What ends with the daemon goes onto `running`; all of it ends, whatever fails. */
async function openFaces(
  node: Node,
  { config, version, stopAsked }: Settings,
  running: Running,
): Promise<ControlServer> {
  const { createHttpFace, ServiceFaces } = await import('../mcp/index.ts')
  const log = node.log.child('control')
  const facesOf = ({ links }: Node['catalog']) => {
    return new ServiceFaces({ links, clock: systemClock, random: secureRandom, log })
  }
  const face = config.mcp.enabled
    ? createHttpFace(node.catalog, { version, log, services: facesOf(node.catalog) })
    : null
  const control = new ControlServer(
    {
      node,
      registry: node.registry,
      version,
      token: node.dataDir.apiToken,
      mcp: face,
      clock: systemClock,
      random: secureRandom,
      log,
      notices: node.notices,
      ...(stopAsked && { stopNode: stopAsked }),
    },
    config.control,
  )
  running.push(control)
  if (face !== null) running.push({ stop: () => face.close() })
  await control.start()
  return control
}
