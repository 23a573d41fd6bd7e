/** The rooms below as commands use them, each loaded when it is first needed. */

import { createLog, dataDirFrom } from '../base/index.ts'
import { CliError } from './errors.ts'
import { systemProbes } from './probes.ts'
import type { Rooms } from './rooms.ts'

export const realRooms: Rooms = {
  probes: systemProbes,

  async usualDataDir() {
    return dataDirFrom(undefined, {})
  },

  async openClient(dataDir, start) {
    const { openClient } = await import('../control/index.ts')
    return openClient(dataDir, start)
  },

  async startDaemon(options) {
    const { startDaemon } = await import('../control/index.ts')
    return startDaemon(options)
  },

  async loadConfig({ flags, env }) {
    const { effectiveToml, loadConfig } = await import('../node/index.ts')
    const { config, file, notices } = await loadConfig(flags, env)
    return { file, notices, toml: effectiveToml(config) }
  },

  async editConfig(wanted, { flags, env }) {
    const { editConfig } = await import('../node/index.ts')
    return editConfig(wanted, flags, env)
  },

  async valueIn(toml, key) {
    const { valueIn } = await import('../node/index.ts')
    return valueIn(toml, key)
  },

  async serveStdio(catalog, version) {
    const { serveStdioFace } = await import('../mcp/index.ts')
    return serveStdioFace(catalog, { version, log: createLog({ level: 'warn' }) })
  },

  async pipeStdio({ dataDir, start }, { service, peer }, signal) {
    const [{ findLocalNode }, { pipeStdio }] = await Promise.all([
      import('../control/index.ts'),
      import('../mcp/index.ts'),
    ])
    const { mcp, token, name } = await findLocalNode(dataDir, start)
    if (mcp === null) throw CliError.NO_GATEWAY({ node: name })
    const at = peer === undefined ? service : `${service}@${peer}`
    await pipeStdio({ url: `${mcp}/${at}`, token }, signal)
  },

  async registry(options) {
    const { registryRoom } = await import('./registry-room.ts')
    return registryRoom(options)
  },

  async portHolder(kind, port) {
    const { portHolder } = await import('../net/index.ts')
    return portHolder(kind, port)
  },

  async quic() {
    const { loadQuic, netConfig } = await import('../net/index.ts')
    const { facility } = await loadQuic(netConfig.parse({}))
    return facility
  },
}
