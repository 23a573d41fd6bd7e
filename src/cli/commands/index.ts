/** The table of commands: one row for each file beside this one. */

import type { Command } from '../command.ts'
import { agents } from './agents.ts'
import { bootstrap } from './bootstrap.ts'
import { call } from './call.ts'
import { completeFor, completion } from './completion.ts'
import { configCheck, configPath, configSet, configShow } from './config.ts'
import { connect } from './connect.ts'
import { dhtGet, dhtPut } from './dht.ts'
import { doctor } from './doctor.ts'
import { events } from './events.ts'
import { explorer } from './explorer.ts'
import { expose } from './expose.ts'
import { grantAccept, grantDelegate, grantGive } from './grant.ts'
import { audit, grants, revoke } from './grants.ts'
import { identity } from './identity.ts'
import { keysPath, keysShow } from './keys.ts'
import { mcp } from './mcp.ts'
import { messages } from './messages.ts'
import { nameClaim, nameFind } from './name.ts'
import { peers } from './peers.ts'
import {
  registryAccept,
  registryBlock,
  registryDeploy,
  registryRate,
  registryRater,
  registryRecover,
  registryRegister,
  registryShow,
  registryStatus,
  registryTransfer,
  registryUnblock,
  registryUpdate,
} from './registry.ts'
import { send } from './send.ts'
import { start } from './start.ts'
import { status } from './status.ts'
import { toolsApprove, toolsPin, toolsUnpin, toolsWithheld } from './tool-choice.ts'
import { tools } from './tools.ts'
import { unexpose } from './unexpose.ts'

/** What the commands have in common whose names begin with the same word. */
export const GROUPS: Readonly<Record<string, string>> = {
  grant: 'Let a peer call tools of a service that is not public',
  dht: 'Put records into the distributed hash table and get them back',
  name: 'Names that peers give themselves',
  registry:
    'The registry of agents on its chain: RPC_URL, REGISTRY_ADDRESS and PRIVATE_KEY say which',
  keys: 'Show the identity of the data folder',
  tools: 'The tools that this node and its peers offer, and which of them assistants see',
  config: 'Show, check or change the configuration',
}

const NAMED: readonly Command[] = [
  start,
  bootstrap,
  status,
  events,
  peers,
  agents,
  send,
  messages,
  explorer,
  identity,
  connect,
  tools,
  toolsPin,
  toolsUnpin,
  toolsApprove,
  toolsWithheld,
  call,
  expose,
  unexpose,
  grantGive,
  grantAccept,
  grantDelegate,
  grants,
  revoke,
  audit,
  mcp,
  dhtPut,
  dhtGet,
  nameClaim,
  nameFind,
  registryStatus,
  registryShow,
  registryRegister,
  registryUpdate,
  registryTransfer,
  registryAccept,
  registryRecover,
  registryBlock,
  registryUnblock,
  registryRate,
  registryRater,
  registryDeploy,
  keysShow,
  keysPath,
  configShow,
  configCheck,
  configSet,
  configPath,
  doctor,
  completion,
]

/** Every command, in the order in which `--help` lists them. */
export const COMMANDS: readonly Command[] = [...NAMED, completeFor(NAMED, GROUPS)]
