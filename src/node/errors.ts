import { defineErrors } from '../base/index.ts'

/** One thing wrong with a configuration: the code and sentence of its error. */
export interface ConfigProblem {
  readonly code: string
  readonly message: string
}

export const NodeError = defineErrors('NODE', {
  CONFIG_UNREADABLE: {
    says: (f: { file: string; reason: string }) =>
      `Cannot read configuration file ${f.file}: ${f.reason}. ` +
      'Give an existing, readable file with --config',
  },
  CONFIG_SYNTAX: {
    says: (f: { file: string; line: number; column: number; reason: string }) =>
      `Cannot read ${f.file}:${f.line}:${f.column}: ${f.reason}. Wanted TOML 1.0`,
  },
  CONFIG_KEY_UNKNOWN: {
    says: (f: { where: string; key: string; nearest: string }) =>
      `Cannot use ${f.key} (${f.where}): there is no such key. Did you mean ${f.nearest}?`,
  },
  CONFIG_VALUE_INVALID: {
    says: (f: { where: string; key: string; found: string; wanted: string }) =>
      `Cannot use ${f.key} (${f.where}): found ${f.found}, wanted ${f.wanted}`,
  },
  CONFIG_CONFLICT: {
    says: (f: { where: string; key: string; found: string; remedy: string }) =>
      `Cannot use ${f.key} (${f.where}): ${f.found}. ${f.remedy}`,
  },
  CONFIG_UNSAFE: {
    says: (f: { where: string; key: string; found: string; remedy: string }) =>
      `Cannot use ${f.key} (${f.where}): ${f.found}. ${f.remedy}`,
  },
  CONFIG_UNEDITABLE: {
    says: (f: { file: string; key: string; reason: string }) =>
      `Cannot change ${f.key} in ${f.file}: ${f.reason}. Change it by hand, then run: config check`,
  },
  CONFIG_INVALID: {
    says: (f: { problems: readonly ConfigProblem[] }) =>
      `Cannot use the configuration: ${f.problems.length} ` +
      (f.problems.length === 1 ? 'problem.' : 'problems.') +
      f.problems.map(({ code, message }) => `\n  ${code}: ${message}`).join(''),
  },
  NOT_BUILT_YET: {
    says: (f: { where: string; key: string; found: string; now: string; comesWith: string }) =>
      `Cannot use ${f.key} (${f.where}): found ${f.found}, but this is not built yet; ` +
      `it comes with ${f.comesWith}. Remove the key or set it to ${f.now}`,
  },
  PEER_ID_MISMATCH: {
    says: (f: { wanted: string; found: string; file: string }) =>
      `Cannot start as peer ${f.wanted}: the key in ${f.file} is that of ${f.found}. ` +
      'Set [network] peer_id to "auto", or put the right key there',
  },
  ALREADY_RUNNING: {
    says: (f: { dataDir: string; pid: number | null; api: string | null }) =>
      `Cannot start on ${f.dataDir}: a node runs there already` +
      (f.pid === null ? '' : ` (pid ${f.pid}${f.api === null ? '' : `, API ${f.api}`})`) +
      '. Stop it, or give this one its own folder with --data (dataDir in code)',
  },
  DATA_UNWRITABLE: {
    says: (f: { path: string; reason: string }) =>
      `Cannot write ${f.path}: ${f.reason}. ` +
      'Make the folder writable for the user who runs the node, or choose another with --data',
  },
  DISK_FULL: {
    says: (f: { path: string }) =>
      `Cannot write ${f.path}: the disk is full. ` +
      'Free some space or choose another folder with --data; what was stored is unharmed',
  },
  TOKEN_EXPOSED: {
    says: (f: { file: string; mode: string }) =>
      `Cannot use token file ${f.file}: its mode is ${f.mode}, so others can read it. ` +
      `Run: rm ${f.file} (the next start makes a new token)`,
  },
  TOKEN_MALFORMED: {
    says: (f: { file: string; reason: string }) =>
      `Cannot use token file ${f.file}: ${f.reason}. ` +
      `Run: rm ${f.file} (the next start makes a new token)`,
  },
  SECTION_OFF: {
    says: (f: { section: string; key: string }) =>
      `Cannot do this: [${f.section}] ${f.key} is off in the configuration of this node. ` +
      'Set it to true, or choose a preset that has it, and restart the node',
  },
  PEER_IDENTITY_BROKEN: {
    says: (f: { field: string; found: string }) =>
      `Cannot believe what is said of a peer: its ${f.field} is wrong (${f.found})`,
  },
  RUN_FILE_MALFORMED: {
    says: (f: { file: string }) =>
      `Cannot read ${f.file}: it does not say where a node runs. Restart the node to rewrite it`,
  },
})
