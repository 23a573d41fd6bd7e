/** What the knobs of `[control]`, and those of `[mcp]` about its gateway, change. */

import { Registry, seededRandom, silentLog } from '../../../src/base/index.ts'
import { ControlServer, type ServedNode } from '../../../src/control/index.ts'
import { configFrom } from '../../../src/node/check-settings.ts'
import type { NodeConfig } from '../../../src/node/index.ts'
import { ask, TOKEN } from '../../support/control.ts'
import { FakeClock } from '../../support/fake-clock.ts'
import { startGrpc } from '../../support/grpc.ts'
import { tlsFiles } from '../../support/grpc-tls.ts'
import { fakeNode } from '../../support/served-node.ts'
import { type Observations, type Observe, outcome, timeOf } from './observation.ts'

async function server({ control }: NodeConfig, over: Partial<ServedNode> = {}) {
  const clock = new FakeClock()
  const mcp = { handle: async () => undefined }
  const made = new ControlServer(
    {
      node: fakeNode(over).node,
      registry: new Registry(),
      version: '0',
      clock,
      log: silentLog,
      token: TOKEN,
      mcp,
      random: seededRandom('control'),
    },
    control,
  )
  await made.start()
  const { apiUrl: api = '', mcpUrl = '', grpcAddress: grpc } = made
  return { clock, api, mcpUrl, grpc, [Symbol.asyncDispose]: () => made.stop() }
}

const hosts: Observe = async (config) => {
  await using control = await server(config)
  return [control.api, control.mcpUrl].map((url) => new URL(url).hostname)
}

/** How long the API waits for an operation that never ends. */
const patience: Observe = async (config) => {
  const never = { peers: () => new Promise<never>(() => undefined) }
  const find = () => new Promise<never>(() => undefined)
  const tools = { find, call: find }
  await using control = await server(config, { ...never, tools })
  const asked = ask(`${control.api}/v1/tools`)
  return await timeOf(control.clock, asked, { stepMs: 1_000, maxMs: 200_000 })
}

/** Whether a configuration is taken that says to listen for other hosts. */
function exposed(address: string, flag: string): Observe {
  return ({ control }) => {
    const isOn = flag.startsWith('mcp')
      ? control.mcpExposeBeyondLoopback
      : control.exposeBeyondLoopback
    const settings = { 'network.preset': 'test', [address]: '0.0.0.0:0', [flag]: isOn }
    return outcome(() => {
      configFrom(Object.entries(settings).map(([toml, value]) => ({ toml, value, where: 'test' })))
    })
  }
}

const GRPC = 'control.grpc_address'

/** Where gRPC listens, if it does. */
const grpcHost: Observe = async (config) => {
  await using control = await server(config)
  return control.grpc?.split(':')[0]
}

/** What gRPC says of its files, one of which the configuration names. */
function grpcWith(name: 'certificateFile' | 'keyFile'): Observe {
  return async ({ control }) => {
    using files = tlsFiles()
    const { grpcCertificateFile, grpcKeyFile } = control
    const given = { certificateFile: grpcCertificateFile, keyFile: grpcKeyFile }
    const config = { ...files, [name]: given[name] }
    try {
      await using grpc = await startGrpc({ config })
      return typeof grpc.address
    } catch (error) {
      return error instanceof Error && error.message.replaceAll(files.folder, '')
    }
  }
}

const [API, MCP] = ['control.api_address', 'mcp.server_address']
const [API_FLAG, MCP_FLAG] = ['control.expose_beyond_loopback', 'mcp.expose_beyond_loopback']

export const controlObservations: Observations = {
  [API]: { value: '127.0.0.2:0', observe: hosts },
  [MCP]: { value: '127.0.0.2:0', observe: hosts },
  [API_FLAG]: { value: true, observe: exposed(API, API_FLAG) },
  [MCP_FLAG]: { value: true, observe: exposed(MCP, MCP_FLAG) },
  [GRPC]: { value: '127.0.0.2:0', observe: grpcHost },
  'control.grpc_certificate_file': {
    value: '/nowhere/certificate.pem',
    observe: grpcWith('certificateFile'),
  },
  'control.grpc_key_file': {
    value: '/nowhere/key.pem',
    observe: grpcWith('keyFile'),
  },
  'control.operation_timeout': { value: 3, observe: patience },
}
