/**
 * The house rules that a machine can check, as pure functions: text in, complaints out.
 *
 * What the rules hold to stands in `docs/architecture.md`; a complaint names the file, the line
 * where there is one, and what to do instead.
 */

import { basename, dirname, join, normalize } from 'node:path'
import ts from 'typescript'
import { declaredBy, functionsOf, importsOf, nodesOf, parse, wordOf } from './syntax.ts'

/** From the ground up. A room imports only from floors below its own. */
export const FLOORS: readonly (readonly string[])[] = [
  ['base'],
  ['wire', 'ip'],
  ['identity'],
  ['access', 'tunnel', 'evm'],
  ['net'],
  ['dht', 'pubsub', 'rpc'],
  ['storage', 'mcp', 'agent', 'memory'],
  ['node'],
  ['control', 'testing'],
  ['cli'],
]

/** The public faces above all rooms: they only pass on what doors offer. */
const FACES = ['src/index.ts', 'src/testing.ts']

const LINES_MAX = 300
const COLUMNS_MAX = 100
const FUNCTION_LINES_MAX = 60
const PARAMETERS_MAX = 4

/** Third-party packages, and the only files that may import them. The first match decides. */
const HOMES: readonly (readonly [RegExp, RegExp])[] = [
  [/^node:/, /^src\//],
  [/^koffi$/, /^src\/base\/syscall\.ts$/],
  [/^(pino|prom-client|p-queue|p-retry|lru-cache|tinyqueue)$/, /^src\/base\//],
  [/^cborg$/, /^src\/wire\//],
  [/^ipaddr\.js(\/|$)/, /^src\/ip\//],
  [/^@noble\//, /^src\/(identity|storage|access)\//],
  [/^multiformats(\/|$)/, /^src\/(identity|net|dht)\//],
  [/^viem(\/|$)/, /^src\/evm\//],
  [/^dns-packet$/, /^src\/net\//],
  [/^sax$/, /^src\/net\//],
  [/^@bufbuild\/protobuf(\/|$)/, /^src\/(dht|net)\//],
  [/^@libp2p\/kad-dht/, /^src\/dht\//],
  [/^@libp2p\/gossipsub/, /^src\/pubsub\//],
  [/^(@libp2p\/(interface|utils)|@multiformats\/)/, /^src\/(net|dht|pubsub|testing)\//],
  [/^(libp2p$|@libp2p\/|@chainsafe\/libp2p-|@multiformats\/)/, /^src\/(net|dht|pubsub)\//],
  [/^@modelcontextprotocol\//, /^src\/mcp\//],
  [/^(fastify|fastify-type-provider-zod|@fastify\/|@grpc\/|grpc-health-check$)/, /^src\/control\//],
  [/^(commander|@bomb\.sh\/tab|@clack\/prompts)(\/|$)/, /^src\/cli\//],
  [/^smol-toml$/, /^src\/node\//],
  [/^env-paths$/, /^src\/base\//],
  [/^zod(\/|$)/, /\/(config|api|tool)\.ts$|^src\/node\/tools\//],
]

/** Words that only some files may say, whether called, named or imported. */
const RESERVED: readonly { word: RegExp; home: RegExp; use: string }[] = [
  { word: /\bDate\.now\($|^new Date\(\)/, home: /^src\/base\//, use: 'Clock of "base"' },
  { word: /\bset(Timeout|Interval)\(?$/, home: /^src\/base\//, use: 'Clock of "base"' },
  { word: /\bAbortSignal\.timeout\($/, home: /^src\/base\//, use: 'clock.deadline of "base"' },
  { word: /\bMath\.random\($/, home: /^src\/base\//, use: 'Random of "base"' },
  { word: /\brandom(Bytes|UUID|Int)\(?$/, home: /^src\/base\//, use: 'Random of "base"' },
  { word: /\bgetRandomValues\(?$/, home: /^src\/base\//, use: 'Random of "base"' },
  { word: /^new Error\(/, home: /^src\/base\//, use: 'defineErrors of "base"' },
  {
    word: /\bprocess\.(env|argv|exit)\(?$/,
    home: /^src\/(cli\/|control\/stdio\.ts$|node\/load-config\.ts$)/,
    use: 'configuration',
  },
]

/** Furniture that explains itself: tables and lists whose rows say what they are. */
const SELF_EXPLAINING = /\/(errors|base-errors|config|metrics|events)\.ts$/
/** A command says what it is in its `summary`. */
const COMMAND = /^src\/cli\/commands\//
/** Names that mean the same in every room: what a class needs, its knobs, the last argument. */
const CONVENTION = /(Deps|Config|Options)$/
const DOOR = /^src\/\w+\/index\.ts$/

export const roomOf = (file: string) => file.split('/')[1] ?? ''
const floorOf = (room: string) => FLOORS.findIndex((floor) => floor.includes(room))

/** Imports point down, and go through the door. */
export function checkArrows(file: string, text: string): string[] {
  if (FACES.includes(file)) return []
  const room = roomOf(file)
  if (floorOf(room) < 0) return [`${file}: room "${room}" is on no floor`]
  return importsOf(file, text)
    .filter((target) => target.startsWith('.'))
    .flatMap((target) => {
      const to = normalize(join(dirname(file), target))
      const there = roomOf(to)
      const door = to === `src/${there}/index.ts`
      if (there === room) return door ? [`${file}: imports its own door`] : []
      const wrong: string[] = []
      if (!door) wrong.push(`${file}: enters "${there}" past its door: ${target}`)
      if (floorOf(there) >= floorOf(room) || floorOf(there) < 0) {
        wrong.push(`${file}: "${room}" may not import "${there}"`)
      }
      return wrong
    })
}

/** Each third-party package is imported where it lives, and only there. */
export function checkHomes(file: string, text: string): string[] {
  return importsOf(file, text)
    .filter((name) => !name.startsWith('.'))
    .flatMap((name) => {
      const home = HOMES.find(([pattern]) => pattern.test(name))?.[1]
      if (home === undefined) return [`${file}: "${name}" has no home; write a decision first`]
      return home.test(file) ? [] : [`${file}: "${name}" lives elsewhere`]
    })
}

/** The explorer is a program of its own: it knows the node by its client and nothing else. */
export function checkExplorer(file: string, text: string): string[] {
  return importsOf(file, text)
    .filter((name) =>
      name.startsWith('.')
        ? !normalize(join(dirname(file), name)).startsWith('explorer/')
        : /^p2p-foundation(\/|$)/.test(name) && name !== 'p2p-foundation/client',
    )
    .map((name) => `${file}: imports "${name}"; the explorer uses p2p-foundation/client only`)
}

/** Files, functions and lines stay small. */
export function checkSizes(file: string, text: string): string[] {
  const lines = text.trimEnd().split('\n')
  const wrong = lines.length > LINES_MAX ? [`${file}: ${lines.length} lines`] : []
  for (const [i, line] of lines.entries()) {
    if (line.length > COLUMNS_MAX) wrong.push(`${file}:${i + 1}: ${line.length} columns`)
  }
  for (const { line, length, parameters } of functionsOf(file, text)) {
    const at = `${file}:${line}`
    if (length > FUNCTION_LINES_MAX) wrong.push(`${at}: function of ${length} lines`)
    if (parameters > PARAMETERS_MAX) wrong.push(`${at}: ${parameters} parameters`)
  }
  return wrong
}

/** Time, chance, errors and the environment come from one place each. */
export function checkReserved(file: string, text: string): string[] {
  const rules = RESERVED.filter(({ home }) => !home.test(file))
  const source = parse(file, text)
  return nodesOf(source).flatMap((node) => {
    const said = wordOf(node)
    const rule = said === undefined ? undefined : rules.find(({ word }) => word.test(said))
    if (rule === undefined) return []
    const line = source.getLineAndCharacterOfPosition(node.getStart()).line + 1
    return [`${file}:${line}: ${said}: use ${rule.use}`]
  })
}

/** Every file opens with a comment; a door says on which floor it is. */
export function checkOpening(file: string, text: string): string[] {
  if (DOOR.test(file)) {
    const floor = /^\/\*\*[\s*]*Floor (\d)\. \S/.exec(text)?.[1]
    if (floor === undefined) return [`${file}: a door opens with "Floor N." and what it is for`]
    const right = floorOf(roomOf(file))
    return Number(floor) === right ? [] : [`${file}: says floor ${floor}, stands on ${right}`]
  }
  if (SELF_EXPLAINING.test(file) || COMMAND.test(file)) return []
  if (/^(#!.*\n)?\/\*\*/.test(text)) return []
  return [`${file}: opens without a comment that says what it is and why`]
}

/** A door names what it offers, one by one. */
export function checkDoor(file: string, text: string): string[] {
  return parse(file, text).statements.flatMap((statement) =>
    ts.isExportDeclaration(statement) && statement.exportClause === undefined
      ? [`${file}: export * hides what is offered; name it`]
      : [],
  )
}

/** The names that a door takes from each file of its room. */
export function offersOf(file: string, text: string): { name: string; from: string }[] {
  return parse(file, text).statements.flatMap((statement) => {
    if (!ts.isExportDeclaration(statement) || statement.moduleSpecifier === undefined) return []
    const { exportClause, moduleSpecifier } = statement
    if (exportClause === undefined || !ts.isNamedExports(exportClause)) return []
    if (!ts.isStringLiteral(moduleSpecifier)) return []
    const from = normalize(join(dirname(file), moduleSpecifier.text))
    return exportClause.elements.map(({ name, propertyName }) => ({
      name: (propertyName ?? name).text,
      from,
    }))
  })
}

/**
 * Whatever a door offers is explained where it is declared. The noun that a file is named after is
 * explained by the opening of the file, and the union of a list's members by the list.
 */
export function checkExplained(file: string, text: string, names: readonly string[]): string[] {
  if (SELF_EXPLAINING.test(file)) return []
  const found = new Map<string, boolean>()
  for (const [i, statement] of parse(file, text).statements.entries()) {
    // The comment that opens the file would else count as that of its first statement.
    const before = ts.getLeadingCommentRanges(text, statement.pos) ?? []
    const comments = before.filter(({ pos }) => text.startsWith('/**', pos)).length
    const explained = comments > (i === 0 ? 1 : 0)
    for (const name of declaredBy(statement)) {
      const clear = explained || isNounOf(file, text, name) || isMemberOfList(statement)
      found.set(name, clear || (found.get(name) ?? false))
    }
  }
  return names
    .filter((name) => found.get(name) === false && !CONVENTION.test(name))
    .map((name) => `${file}: "${name}" is offered at the door without a sentence about it`)
}

/** Nothing is left to be done, and no test is left out. */
export function checkFinished(file: string, text: string): string[] {
  return text.split('\n').flatMap((line, i) => {
    const wrong: string[] = []
    if (/\b(TO[D]O|FIX[M]E|X[X]X)\b/.test(line)) wrong.push(`${file}:${i + 1}: left to be done`)
    const left = /\b(test|it|t|suite|describe)\.(skip|only|todo)\b|[{,]\s*(skip|only|todo):/
    if (/\.test\.ts$/.test(file) && left.test(line)) wrong.push(`${file}:${i + 1}: test left out`)
    return wrong
  })
}

/** Versions are exact, and each package has a reason on record. */
export function checkPackages(manifest: string, decisions: string): string[] {
  const parsed = JSON.parse(manifest) as Record<string, Record<string, string> | undefined>
  const groups = ['dependencies', 'devDependencies', 'optionalDependencies']
  return groups
    .flatMap((group) => Object.entries(parsed[group] ?? {}))
    .flatMap(([name, version]) => {
      const wrong: string[] = []
      if (!/^\d+\.\d+\.\d+(-[\w.]+)?$/.test(version)) {
        wrong.push(`package.json: ${name}@${version} is not an exact version`)
      }
      if (!decisions.includes(`\`${name}\``)) {
        wrong.push(`package.json: no record in docs/decisions/ names \`${name}\``)
      }
      return wrong
    })
}

function isNounOf(file: string, text: string, name: string): boolean {
  const noun = basename(file, '.ts').replaceAll('-', '')
  return noun === name.toLowerCase() && text.startsWith('/**')
}

function isMemberOfList(statement: ts.Statement): boolean {
  return ts.isTypeAliasDeclaration(statement) && ts.isIndexedAccessTypeNode(statement.type)
}
