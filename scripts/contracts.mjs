/**
 * `npm run contracts`: what `contracts/*.sol` compiles to, as files of `src/evm/agent-registry`.
 *
 * They are committed, so that neither a build nor an install needs a compiler; a test of the house
 * compiles again and compares (`--check` does the same by hand). The compiler is a package of an
 * exact version and nothing of the machine goes into its output, so everybody gets the same bytes.
 */

import { spawnSync } from 'node:child_process'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import solc from 'solc'

const root = fileURLToPath(new URL('..', import.meta.url))
const SOURCE = 'contracts/AgentRegistry.sol'
const CONTRACT = 'AgentRegistry'
const FOLDER = 'src/evm/agent-registry'
/** The limit of EIP-170: no chain takes more. */
const CODE_BYTES_MAX = 24_576
const HEX_CHARS_A_LINE = 90

const HEAD = (what) => `/**
 * ${what}
 *
 * Made by \`npm run contracts\` from \`${SOURCE}\`: change that and run it again.
 */
`

if (process.argv[1] === fileURLToPath(import.meta.url)) main()

function main() {
  const files = contractFiles()
  const stale = staleContracts(files)
  if (process.argv.includes('--check')) {
    for (const file of stale) console.log(`${file} is not what ${SOURCE} compiles to`)
    process.exitCode = stale.length === 0 ? 0 : 1
    return
  }
  for (const file of stale) {
    mkdirSync(dirname(join(root, file)), { recursive: true })
    writeFileSync(join(root, file), files[file])
  }
  console.log(stale.length === 0 ? 'nothing has changed' : `wrote ${stale.join(', ')}`)
}

/** Those of the files that are not on disk as they should be. */
function staleContracts(files) {
  return Object.entries(files)
    .filter(([file, text]) => onDisk(file) !== text)
    .map(([file]) => file)
}

/** Every generated file, by its path. */
function contractFiles() {
  const { abi, evm } = compile()
  const size = evm.deployedBytecode.object.length / 2
  if (size > CODE_BYTES_MAX) throw new Error(`the code has ${size} bytes; no chain takes it`)
  const ofType = (type) => abi.filter((entry) => entry.type === type)
  const functions = ofType('function')
  const reads = functions.filter(({ stateMutability }) => stateMutability === 'view')
  const writes = functions.filter(({ stateMutability }) => stateMutability !== 'view')
  const file = (name, text) => [`${FOLDER}/${name}.ts`, formatted(`${FOLDER}/${name}.ts`, text)]
  const list = (name, what, entries) => file(`${name}`, `${HEAD(what)}\n${constant(name, entries)}`)
  return Object.fromEntries([
    list('reads', 'What the agent registry answers.', reads),
    list('writes', 'What the agent registry does for a transaction.', writes),
    list('events', 'What the agent registry tells of.', ofType('event')),
    list('refusals', 'Why the agent registry refuses.', ofType('error')),
    file(
      'bytecode',
      `${HEAD('The agent registry as a chain runs it.')}\n${code(evm.bytecode.object)}`,
    ),
  ])
}

function compile() {
  const input = {
    language: 'Solidity',
    sources: { [SOURCE]: { content: readFileSync(join(root, SOURCE), 'utf8') } },
    settings: {
      optimizer: { enabled: true, runs: 200 },
      // What every chain of today understands.
      evmVersion: 'paris',
      // No hash of the sources in the code: a comment changes nothing that runs.
      metadata: { appendCBOR: false, bytecodeHash: 'none' },
      outputSelection: {
        '*': { '*': ['abi', 'evm.bytecode.object', 'evm.deployedBytecode.object'] },
      },
    },
  }
  const { errors = [], contracts } = JSON.parse(solc.compile(JSON.stringify(input)))
  if (errors.length > 0) throw new Error(errors.map((each) => each.formattedMessage).join('\n'))
  return contracts[SOURCE][CONTRACT]
}

/** One constant whose type is its value, as viem reads types from. */
function constant(name, entries) {
  const rows = entries.map((entry) => JSON.stringify(plain(entry)))
  return `export const ${name} = [\n${rows.map((row) => `  ${row},\n`).join('')}] as const\n`
}

/** Without what only the compiler says of its own types. */
function plain(value) {
  if (Array.isArray(value)) return value.map(plain)
  if (typeof value !== 'object' || value === null) return value
  const kept = Object.entries(value).filter(([key]) => key !== 'internalType')
  return Object.fromEntries(kept.map(([key, inner]) => [key, plain(inner)]))
}

function code(hex) {
  const lines = hex.match(new RegExp(`.{1,${HEX_CHARS_A_LINE}}`, 'g')) ?? []
  const rows = lines.map((line) => `  '${line}',\n`).join('')
  return `const LINES = [\n${rows}]\n\nexport const bytecode = \`0x\${LINES.join('')}\` as const\n`
}

function formatted(file, text) {
  const biome = join(root, 'node_modules/.bin/biome')
  const words = ['check', '--write', `--stdin-file-path=${file}`]
  const { status, stdout, stderr } = spawnSync(biome, words, {
    cwd: root,
    input: text,
    encoding: 'utf8',
  })
  if (status !== 0) throw new Error(`biome cannot format ${file}: ${stderr}`)
  return stdout
}

function onDisk(file) {
  try {
    return readFileSync(join(root, file), 'utf8')
  } catch {
    return undefined
  }
}
