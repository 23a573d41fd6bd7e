/**
 * `npm run build:bundle`: the command line as few files, in `dist/bundle`.
 *
 * One entry and the chunks that it loads when it first needs them, so that a node pays for the
 * rooms it uses and not for reading some thousand files. Outside stays what is no JavaScript: the
 * native part of QUIC, found in `node_modules` as ever.
 */

import { cpSync, globSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { isBuiltin } from 'node:module'
import { basename, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { build } from 'esbuild'

const root = fileURLToPath(new URL('..', import.meta.url))
const out = join(root, 'dist', 'bundle')
const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))

/** CommonJS libraries ask for these, which modules lack. */
const REQUIRE =
  "import { createRequire as __createRequire } from 'node:module';" +
  'const require = __createRequire(import.meta.url);'
const FOLDERS = { __dirname: 'import.meta.dirname', __filename: 'import.meta.filename' }

/** There is no package.json beside a bundle, so that the version is written into it. */
const versionPlugin = {
  name: 'version',
  setup({ onLoad }) {
    onLoad({ filter: /[/\\]src[/\\]base[/\\]version\.ts$/ }, () => ({
      contents: `export const packageVersion = () => ${JSON.stringify(version)}`,
      loader: 'js',
    }))
  },
}

/**
 * Libraries hold much that a node never uses: zod's messages in fifty languages; parts of
 * prom-client for a push gateway and for clusters, which bring half of Node's HTTP with them.
 */
const slimPlugin = {
  name: 'slim',
  setup({ onLoad }) {
    // A program with tools of its own needs it, and what is on the command line has none.
    onLoad({ filter: /[/\\]src[/\\]mcp[/\\]json-schema\.ts$/ }, ({ path }) => {
      const text = readFileSync(path, 'utf8')
      const contents = text.replace('createRequire(import.meta.url)(', 'require(')
      if (contents === text) throw new Error(`${path} is not as it was`)
      return { contents, loader: 'ts' }
    })
    onLoad({ filter: /[/\\]zod[/\\]v4[/\\]locales[/\\]index\.js$/ }, () => ({
      contents: "export { default as en } from './en.js'",
      loader: 'js',
    }))
    onLoad({ filter: /[/\\]prom-client[/\\]lib[/\\](?:pushgateway|cluster)\.js$/ }, () => ({
      contents: 'module.exports = class { constructor() { throw new Error("left out") } }',
      loader: 'js',
    }))
  },
}

/** The pages of `/docs` are files beside their library; in a bundle they are beside all code. */
const pagesPlugin = {
  name: 'pages',
  setup({ onLoad }) {
    onLoad({ filter: /[/\\]swagger-ui[/\\]lib[/\\]routes\.js$/ }, ({ path }) => {
      const [before, after, ...more] = readFileSync(path, 'utf8').split("__dirname, '..', 'static'")
      if (after === undefined || more.length > 0) throw new Error(`${path} is not as it was`)
      return { contents: `${before}__dirname, 'static'${after}`, loader: 'js' }
    })
  },
}

/** The files of gRPC's own services are beside their libraries as well. */
const protosPlugin = {
  name: 'protos',
  setup({ onLoad }) {
    const filter = /[/\\](?:grpc-health-check|@grpc[/\\]reflection)[/\\]build[/\\]src[/\\].*\.js$/
    onLoad({ filter }, ({ path }) => {
      const contents = readFileSync(path, 'utf8').replaceAll('../../proto', 'proto')
      return { contents, loader: 'js' }
    })
  },
}

/**
 * `const { name } = await import('commonjs')` works in Node, which finds the names; a chunk of a
 * CommonJS library exports its default only. So each gets a module in front that names them.
 */
const namesPlugin = {
  name: 'names',
  setup({ onLoad, onResolve, resolve }) {
    onResolve({ filter: /^@?[a-z]/ }, async ({ path, kind, namespace, resolveDir, pluginData }) => {
      if (kind !== 'dynamic-import' || namespace === 'names' || isBuiltin(path)) return
      // Two libraries may mean different versions of a third.
      if (pluginData?.isFound === true) return
      const found = await resolve(path, { kind, resolveDir, pluginData: { isFound: true } })
      if (found.errors.length > 0 || found.external) return
      const names = await namesOf(found.path)
      return names.includes('module.exports') ? { path: found.path, namespace: 'names' } : undefined
    })
    onLoad({ filter: /./, namespace: 'names' }, async ({ path }) => {
      const names = (await namesOf(path)).filter((name) => /^[a-zA-Z_$]+$/.test(name))
      const lines = names.filter((name) => name !== 'default').map(exported)
      const from = JSON.stringify(path)
      const contents = [`import whole from ${from}`, 'export default whole', ...lines].join('\n')
      return { contents, loader: 'js', resolveDir: root }
    })
  },
}

const namesOf = async (path) => Object.keys(await import(pathToFileURL(path)))
const exported = (name) => `export const ${name} = whole.${name}`

rmSync(out, { recursive: true, force: true })
mkdirSync(out, { recursive: true })
const { metafile } = await build({
  absWorkingDir: root,
  entryPoints: { main: 'src/cli/main.ts', stdio: 'src/control/stdio.ts' },
  outdir: out,
  outExtension: { '.js': '.js' },
  bundle: true,
  splitting: true,
  format: 'esm',
  platform: 'node',
  target: 'node22.19',
  minify: true,
  legalComments: 'linked',
  external: ['@chainsafe/libp2p-quic-*', '*.node'],
  banner: { js: REQUIRE },
  define: FOLDERS,
  plugins: [versionPlugin, slimPlugin, pagesPlugin, protosPlugin, namesPlugin],
  metafile: true,
  logLevel: 'warning',
})
cpSync(join(root, 'src/ip/words.txt'), join(out, 'words.txt'))
for (const file of globSync('src/control/*.proto', { cwd: root })) {
  cpSync(join(root, file), join(out, basename(file)))
}
for (const from of ['grpc-health-check/proto', '@grpc/reflection/build/proto']) {
  cpSync(join(root, 'node_modules', from), join(out, 'proto'), { recursive: true })
}
cpSync(join(root, 'node_modules/@fastify/swagger-ui/static'), join(out, 'static'), {
  recursive: true,
})
writeFileSync(join(out, 'package.json'), '{ "type": "module" }\n')
const entry = readFileSync(join(root, 'scripts/published/p2p.js'), 'utf8')
  .replace("'../lib/cli/main.js'", "'./main.js'")
  .replace("'../node_modules/.cache/p2p'", "'./.cache'")
writeFileSync(join(out, 'p2p.js'), entry, { mode: 0o755 })
writeFileSync(join(root, 'dist', 'bundle.meta.json'), JSON.stringify(metafile))
const sizes = Object.keys(metafile.outputs).map((file) => statSync(join(root, file)).size)
const total = sizes.reduce((sum, size) => sum + size, 0)
console.log(`built dist/bundle: ${sizes.length} files, ${Math.round(total / 1024)} KiB`)
