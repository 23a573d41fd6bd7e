/** The table of commands: one row for each file beside this one. */

import type { Command } from '../command.ts'
import { call } from './call.ts'
import { completeFor, completion } from './completion.ts'
import { configCheck, configPath, configSet, configShow } from './config.ts'
import { connect } from './connect.ts'
import { dhtGet, dhtPut } from './dht.ts'
import { doctor } from './doctor.ts'
import { events } from './events.ts'
import { expose } from './expose.ts'
import { identity } from './identity.ts'
import { keysPath, keysShow } from './keys.ts'
import { mcp } from './mcp.ts'
import { peers } from './peers.ts'
import { start } from './start.ts'
import { status } from './status.ts'
import { tools } from './tools.ts'
import { unexpose } from './unexpose.ts'

/** What the commands have in common whose names begin with the same word. */
export const GROUPS: Readonly<Record<string, string>> = {
  dht: 'Put records into the distributed hash table and get them back',
  keys: 'Show the identity of the data folder',
  config: 'Show, check or change the configuration',
}

const NAMED: readonly Command[] = [
  start,
  status,
  events,
  peers,
  identity,
  connect,
  tools,
  call,
  expose,
  unexpose,
  mcp,
  dhtPut,
  dhtGet,
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
