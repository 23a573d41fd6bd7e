/**
 * The rings of tests, what each needs from the machine, and how they are run and counted.
 *
 * A ring that cannot run says why. On a person's machine it is then left out with that message;
 * in CI (CI=true) it counts as failed, because a ring that is skipped proves nothing.
 */

import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'

export const RINGS = {
  test: {
    what: 'house, unit, contract, integration, fuzz (short) and end to end',
    files: [
      'src/**/*.test.ts',
      'test/{house,contract,integration,fuzz,e2e}/**/*.test.ts',
      'test/bench/*.test.ts',
      'test/sim/{,cores/,gossip/,whole/}*.test.ts',
    ],
    options: [
      '--test-timeout=120000',
      // Node leaves one core free, which on two cores is one file at a time; many files wait.
      '--test-concurrency=3',
      '--experimental-test-coverage',
      '--test-coverage-include=src/**/*.ts',
      '--test-coverage-exclude=src/**/*.test.ts',
      '--test-coverage-lines=90',
    ],
    needs: [],
  },
  sim: {
    what: 'scenarios of the simulator, each at a small size',
    files: ['test/sim/scenarios/*.test.ts'],
    options: ['--test-timeout=300000', '--test-concurrency=2'],
    needs: [],
  },
  interop: {
    what: 'peers and clients that nobody here wrote',
    files: ['test/interop/**/*.test.ts'],
    // Peers of other makers are built first.
    options: ['--test-timeout=1800000'],
    needs: [],
  },
  conformance: {
    what: 'the official MCP conformance suite and servers of others, through nodes',
    files: ['test/conformance/*.test.ts'],
    // Installed by the ring, then each revision of the suite three times.
    options: ['--test-timeout=900000', '--test-concurrency=1'],
    needs: [],
  },
  lab: {
    what: 'network namespaces',
    files: ['test/lab/**/*.test.ts'],
    options: ['--test-timeout=180000', '--test-concurrency=1'],
    needs: ['linux', 'root', 'ip', 'nft'],
  },
  package: {
    what: 'what is published, installed and run on Node 22, 24 and 26',
    files: ['test/package/**/*.test.ts'],
    options: ['--test-timeout=300000'],
    needs: [],
  },
  inference: {
    what: 'models run by plug-ins and servers that nobody here wrote',
    files: ['test/inference/**/*.test.ts'],
    options: ['--test-timeout=300000', '--test-concurrency=1'],
    needs: [],
  },
  chain: {
    what: 'the registry of agents on a chain of its own',
    files: ['test/chain/**/*.test.ts'],
    // Installed by the ring; each test starts a chain.
    options: ['--test-timeout=300000', '--test-concurrency=1'],
    needs: [],
  },
  fuzz: {
    what: 'every decoder, with cases nobody has tried',
    files: ['test/fuzz/**/*.test.ts'],
    env: { FUZZ_SEED: 'random', FUZZ_CASES: '100000' },
    options: ['--test-timeout=3600000'],
    needs: [],
  },
}

const CHECKS = {
  linux: () => (process.platform === 'linux' ? undefined : 'needs Linux'),
  root: () => (process.getuid?.() === 0 ? undefined : 'needs root: run it with sudo'),
  ip: () => {
    const found = spawnSync('ip', ['netns', 'list']).status === 0
    return found ? undefined : 'needs `ip netns`: install iproute2'
  },
  nft: () => {
    const found = spawnSync('nft', ['--version']).status === 0
    return found ? undefined : 'needs `nft`: install nftables'
  },
}

/** Every process of a ring imports the same sources; their types are stripped once. */
export const COMPILED = {
  NODE_COMPILE_CACHE: join(import.meta.dirname, '..', 'node_modules', '.cache', 'rings'),
}

/** Ends what its tests have left running. */
export const ENDING = pathToFileURL(join(import.meta.dirname, 'end-idle-files.mjs')).href

/** Runs one ring; returns `{ passed, failed, skipped, exitCode }`. */
export function runRing(name, { env = {} } = {}) {
  const ring = RINGS[name]
  const missing = ring.needs.map((need) => CHECKS[need]()).filter((why) => why !== undefined)
  if (missing.length > 0) {
    const inCi = process.env.CI === 'true'
    console.log(`ring "${name}" (${ring.what}) cannot run here: ${missing.join('; ')}`)
    return { passed: 0, failed: inCi ? 1 : 0, skipped: 1, exitCode: inCi ? 1 : 0 }
  }
  const folder = mkdtempSync(join(tmpdir(), 'p2p-ring-'))
  const counts = join(folder, 'counts.json')
  const reporters = [
    '--test-reporter=spec',
    '--test-reporter-destination=stdout',
    '--test-reporter=./scripts/count-reporter.mjs',
    `--test-reporter-destination=${counts}`,
  ]
  const args = ['--import', ENDING, '--test', ...ring.options, ...reporters, ...ring.files]
  // What is read from a cache of compiled code is counted less exactly.
  const isCounted = ring.options.includes('--experimental-test-coverage')
  const run = spawnSync(process.execPath, args, {
    stdio: ['ignore', 'inherit', 'inherit'],
    env: { ...(!isCounted && COMPILED), ...ring.env, ...process.env, ...env },
  })
  const { passed, failed, skipped, lines } = readCounts(counts)
  rmSync(folder, { recursive: true, force: true })
  const hollow = passed === 0 || (skipped > 0 && process.env.CI === 'true')
  if (hollow)
    console.log(`ring "${name}": ${passed} passed, ${skipped} skipped; that proves nothing`)
  // The runner only warns where it cannot read what a process wrote, and holds no limit then.
  const unmeasured = isCounted && typeof lines !== 'number'
  if (unmeasured) console.log(`ring "${name}": its coverage was not measured`)
  const ok = run.status === 0 && !hollow && !unmeasured
  return { passed, failed: ok ? failed : Math.max(1, failed), skipped, exitCode: ok ? 0 : 1 }
}

function readCounts(file) {
  try {
    return JSON.parse(readFileSync(file, 'utf8'))
  } catch {
    return { passed: 0, failed: 1, skipped: 0 }
  }
}
