/**
 * `npm run build`: the package as it is published, in `dist/package`.
 *
 * The repository runs its TypeScript as it is, so nothing here is needed to work on it. What is
 * published is JavaScript that Node 22.19 runs (`tsconfig.build.json` lets the compiler refuse what
 * that Node lacks), declarations, and the sources that their maps point to. Its package.json is
 * made from ours, so that neither scripts nor the Node of the repository reach anybody.
 */

import { spawnSync } from 'node:child_process'
import { cpSync, globSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { basename, dirname, extname, join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'

export const NODE_MIN = '22.19.0'
export const root = fileURLToPath(new URL('..', import.meta.url))
export const out = join(root, 'dist', 'package')

const DOCUMENTS = ['README.md', 'CHANGELOG.md', 'LICENSE', 'NOTICE']
/** Names that Node 22 does not know and that the types cannot tell apart from those it does. */
const TOO_NEW = /(?<!typeof )\bnew (?:Async)?DisposableStack\b|\bprocess\.execve\b/
/** `from './x.ts'` and `import("./x.ts")`, which the compiler leaves as they are in declarations. */
const TS_PATH = /((?:from |import\()['"]\.[^'"]*)\.ts(['"])/g

if (process.argv[1] === fileURLToPath(import.meta.url)) build()

export function build() {
  rmSync(out, { recursive: true, force: true })
  mkdirSync(join(out, 'bin'), { recursive: true })
  cpSync(join(root, 'src'), join(out, 'src'), {
    recursive: true,
    filter: (path) => !path.endsWith('.test.ts'),
  })
  compile()
  for (const file of globSync('lib/**/*.{js,d.ts}', { cwd: out })) finish(file)
  for (const file of globSync('src/**/*.*', { cwd: out })) copyAsset(file)
  cpSync(join(root, 'scripts/published/p2p.js'), join(out, 'bin/p2p.js'))
  for (const name of DOCUMENTS) cpSync(join(root, name), join(out, name))
  const ours = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
  writeFileSync(join(out, 'package.json'), `${JSON.stringify(published(ours), null, 2)}\n`)
  console.log(`built ${relative(root, out)}`)
}

function compile() {
  const tsc = join(root, 'node_modules/typescript/bin/tsc')
  const { status } = spawnSync(process.execPath, [tsc, '-p', 'tsconfig.build.json'], {
    cwd: root,
    stdio: 'inherit',
  })
  if (status !== 0) throw new Error('the sources do not compile; the words of tsc are above')
}

function finish(file) {
  const path = join(out, file)
  const text = readFileSync(path, 'utf8')
  const found = TOO_NEW.exec(text)
  if (found !== null) throw new Error(`${file}: Node ${NODE_MIN} does not know "${found[0]}"`)
  if (file.endsWith('.d.ts')) writeFileSync(path, text.replace(TS_PATH, '$1.js$2'))
}

/** What is read at run time and is no code stands where the code expects it. */
function copyAsset(file) {
  if (extname(file) === '.ts') return
  const target = join(out, 'lib', relative('src', file))
  mkdirSync(dirname(target), { recursive: true })
  cpSync(join(out, file), target)
}

/** The package.json of the published package, from that of the repository. */
export function published(ours) {
  const { name, version, description, license, type, dependencies } = ours
  const doors = Object.entries(ours.exports).map(([door, file]) => [door, compiled(file)])
  const optional = Object.entries(ours.optionalDependencies ?? {}).filter(
    ([dependency]) => !/^node-(?:bin-)?(?:darwin|linux|win)-/.test(dependency),
  )
  return {
    name,
    version,
    description,
    license,
    type,
    engines: { node: `>=${NODE_MIN}` },
    bin: Object.fromEntries(
      Object.values(ours.bin).map((file) => [basename(file), `bin/${basename(file)}.js`]),
    ),
    exports: Object.fromEntries(doors),
    publishConfig: { access: 'public' },
    dependencies,
    ...(optional.length > 0 && { optionalDependencies: Object.fromEntries(optional) }),
  }
}

function compiled(file) {
  if (extname(file) !== '.ts') return file
  const stem = file.replace(/^\.\/src\//, './lib/').replace(/\.ts$/, '')
  return { types: `${stem}.d.ts`, default: `${stem}.js` }
}
