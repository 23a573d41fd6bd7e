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
import { buildSync } from 'esbuild'

export const NODE_MIN = '22.19.0'
export const root = fileURLToPath(new URL('..', import.meta.url))
export const out = join(root, 'dist', 'package')

/** Files of ours into which what they import is built, and the packages that this replaces. */
const TAKEN_IN_BY = ['evm/viem.js']
const TAKEN_IN = ['viem']

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
  const ours = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
  // First of all: the compiler asks the nearest one what a file is.
  writeFileSync(join(out, 'package.json'), `${JSON.stringify(published(ours), null, 2)}\n`)
  compile()
  takeIn()
  for (const file of globSync('lib/**/*.{js,d.ts}', { cwd: out })) finish(file)
  for (const file of globSync('src/**/*.*', { cwd: out })) copyAsset(file)
  for (const name of ['p2p.js', 'p2p-node.js']) {
    cpSync(join(root, 'scripts/published', name), join(out, 'bin', name))
  }
  for (const name of DOCUMENTS) cpSync(join(root, name), join(out, name))
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

/**
 * Libraries of which we use a small part are put into the one file that imports them, and are no
 * dependencies of what is published (docs/decisions/0069). Their licenses stand beside that file.
 */
function takeIn() {
  for (const file of TAKEN_IN_BY) {
    const path = join(out, 'lib', file)
    const { metafile } = buildSync({
      entryPoints: [path],
      outfile: path,
      allowOverwrite: true,
      bundle: true,
      format: 'esm',
      platform: 'node',
      target: `node${NODE_MIN}`,
      metafile: true,
    })
    rmSync(`${path}.map`, { force: true })
    const packages = new Set(
      Object.values(metafile.outputs)
        .flatMap(({ inputs }) => Object.entries(inputs))
        .flatMap(([input, { bytesInOutput }]) => {
          if (bytesInOutput === 0) return []
          const [whole] = /^.*node_modules\/(?:@[^/]+\/)?[^/]+/.exec(input) ?? []
          return whole === undefined ? [] : [whole]
        }),
    )
    const texts = [...packages].sort().map((folder) => licenseOf(folder))
    writeFileSync(path.replace(/\.js$/, '.LICENSES.txt'), texts.join(`\n${'-'.repeat(80)}\n\n`))
  }
}

function licenseOf(folder) {
  const { name, version, license } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'))
  const [file] = globSync('LICENSE*', { cwd: folder })
  if (file === undefined) throw new Error(`${name} has no license that could be passed on`)
  return `${name} ${version} (${license})\n\n${readFileSync(join(folder, file), 'utf8')}`
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
    dependencies: Object.fromEntries(
      Object.entries(dependencies).filter(([dependency]) => !TAKEN_IN.includes(dependency)),
    ),
    ...(optional.length > 0 && { optionalDependencies: Object.fromEntries(optional) }),
  }
}

function compiled(file) {
  if (extname(file) !== '.ts') return file
  const stem = file.replace(/^\.\/src\//, './lib/').replace(/\.ts$/, '')
  return { types: `${stem}.d.ts`, default: `${stem}.js` }
}
