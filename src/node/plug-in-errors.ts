/** What can be wrong with the folder of tools that a node loads, and with one file in it. */

import { defineErrors } from '../base/index.ts'

export const PlugInError = defineErrors('NODE', {
  PLUG_IN_FOLDER: {
    says: (f: { folder: string; reason: string }) =>
      `Cannot load tools from ${f.folder}: ${f.reason}. ` +
      'Make the folder, or remove tools_folder from [mcp]',
  },
  PLUG_IN_EXPOSED: {
    says: (f: { file: string; mode: string }) =>
      `Cannot load tools from ${f.file}: its mode is ${f.mode}, so others could put their code ` +
      `into this node. Run: chmod go-w ${f.file}`,
  },
  PLUG_IN_FOREIGN: {
    says: (f: { file: string; uid: number }) =>
      `Cannot load tools from ${f.file}: it belongs to user ${f.uid}, who could put other code ` +
      'into this node. Make it yours with chown, or copy it',
  },
  PLUG_IN_NAME: {
    says: (f: { file: string }) =>
      `Cannot load tools from ${f.file}: its name is that of a service, so wanted a-z, 0-9 and ` +
      '"-", at most 63, before .js, .mjs, .ts or .mts. Begin it with "_" to leave it out',
  },
  PLUG_IN_INVALID: {
    says: (f: { file: string; found: string }) =>
      `Cannot load tools from ${f.file}: its default export is ${f.found}; wanted a list of ` +
      'tools as tool() makes them, or a function ({ tool, z }) that returns one',
  },
  PLUG_IN_FAILED: {
    says: (f: { file: string; reason: string }) =>
      `Cannot load tools from ${f.file}: ${f.reason}. The others are offered`,
  },
})
