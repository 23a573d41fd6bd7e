/**
 * A lab leaves nothing behind: no namespace, no process in one, no folder, however its owner ends.
 */

import assert from 'node:assert/strict'
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { test } from 'node:test'
import { setTimeout as wait } from 'node:timers/promises'
import { labUnavailable, Namespaces } from './namespaces.ts'

const unavailable = labUnavailable()
// In CI a lab that cannot run fails; elsewhere it says why.
const skip = process.env.CI === undefined && unavailable !== undefined ? unavailable : false

const WITHIN_MS = 5_000

const OWNER = `
  import { Namespaces } from ${JSON.stringify(new URL('namespaces.ts', import.meta.url).href)}
  const namespaces = new Namespaces()
  const machine = namespaces.add('m', { ipv6: false })
  // As a node does, it ignores that its owner is gone.
  const child = machine.spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'])
  console.log(JSON.stringify({ child: child.pid, folder: namespaces.folder('f'), name: machine.name }))
  setInterval(() => {}, 1000)`

for (const signal of ['SIGKILL', 'SIGTERM'] as const) {
  test(`an owner that ends by ${signal} leaves nothing behind`, { skip }, async () => {
    const owner = spawn(process.execPath, ['--input-type=module', '-e', OWNER])
    const [line] = (await once(createInterface({ input: owner.stdout }), 'line')) as [string]
    const made = JSON.parse(line) as { child: number; folder: string; name: string }
    const left = () => [
      ...(existsSync(`/proc/${made.child}`) ? ['the process'] : []),
      ...(existsSync(made.folder) ? ['the folder'] : []),
      ...(names().includes(made.name) ? ['the namespace'] : []),
    ]
    assert.equal(left().length, 3, 'the lab is there')
    owner.kill(signal)
    const end = performance.now() + WITHIN_MS
    while (left().length > 0 && performance.now() < end) await wait(50)
    assert.deepEqual(left(), [])
  })
}

test('two labs of one process do not get in each other’s way', { skip }, async () => {
  const one = new Namespaces()
  await using other = new Namespaces()
  const [first, second] = [one, other].map((lab) => lab.add('same', { ipv6: false }).name)
  assert.notEqual(first, second)
  await one[Symbol.asyncDispose]()
  assert.ok(!names().includes(first ?? '') && names().includes(second ?? ''))
})

function names(): readonly string[] {
  const listed = execFileSync('ip', ['netns', 'list'], { encoding: 'utf8' })
  return listed.split('\n').map((line) => line.split(' ')[0] ?? '')
}
