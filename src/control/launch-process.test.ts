import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { type FakeChild, spawning } from '../../test/support/fake-child.ts'
import { FakeClock } from '../../test/support/fake-clock.ts'
import { commandFor, LaunchProcess } from './launch-process.ts'
import type { LaunchEvent } from './shapes/launch/api.ts'

const SECRET = 'ab'.repeat(32)

function setup() {
  const children: FakeChild[] = []
  const clock = new FakeClock()
  const events: LaunchEvent[] = []
  const process = new LaunchProcess(
    { command: 'node', args: ['-n', 'a'], env: {} },
    { clock, spawn: spawning(children), secret: SECRET, onevent: (event) => events.push(event) },
  )
  const [child] = children
  assert.ok(child !== undefined)
  return { child, process, events, clock }
}

test('events are read from lines that are cut anywhere; what is no event is passed over', async () => {
  const { child, events } = setup()
  const ready = `${JSON.stringify({ type: 'ready', peerId: 'é' })}\n`
  const lines = Buffer.from(`hello\n{"type":"unheard"}\n{"type":"ready"}\n{\n\n${ready}`)
  for (const byte of lines) child.stdout.write(Buffer.of(byte))
  await setImmediate()
  assert.deepEqual(events, [{ type: 'ready', peerId: 'é', listen: [] }])
})

test('an endless line ends the process', async () => {
  const { child, events } = setup()
  const block = Buffer.alloc(8 * 1_048_576, 0x20)
  for (let i = 0; i < 9; i += 1) child.stdout.write(block)
  await setImmediate()
  assert.equal(child.signals.at(0), 'SIGKILL')
  assert.deepEqual(events, [])
})

test('its last words are bounded, on one line, and without the key in either case', () => {
  const { child, process } = setup()
  child.stderr.emit('data', Buffer.from('x'.repeat(10_000)))
  child.stderr.emit('data', Buffer.from(`\nkey=0x${SECRET.slice(0, 40)}`))
  child.stderr.emit('data', Buffer.from(`${SECRET.slice(40)} ${SECRET.toUpperCase()}\u001b[1m`))
  assert.match(process.lastWords, /x key=0x\[redacted\] \[redacted\] \[1m$/)
  assert.ok(process.lastWords.length <= 2_000)
})

test('a process that reads nothing is handed no more than 16 MiB', () => {
  const { child, process } = setup()
  const text = 'x'.repeat(1_048_576)
  const taken = Array.from({ length: 20 }, () => process.write({ type: 'send', data: text }))
  assert.equal(taken.filter((is) => is).length, 15)
  child.stdin.destroy()
  assert.equal(process.write({ type: 'send' }), false)
})

test('end() asks, then signals, then forces', async () => {
  const { child, process, clock } = setup()
  const ended = process.end()
  assert.deepEqual(child.commands(), [{ type: 'shutdown' }])
  assert.ok(child.stdin.writableEnded)
  await clock.advance(10_000)
  assert.deepEqual(child.signals, ['SIGTERM'])
  await clock.advance(2_000)
  assert.deepEqual(child.signals, ['SIGTERM', 'SIGKILL'])
  child.exit(null, 'SIGKILL')
  assert.deepEqual(await ended, { code: null, signal: 'SIGKILL', how: 'it was ended by SIGKILL' })
  assert.equal(clock.waiting, 0)
  assert.equal((await process.end()).signal, 'SIGKILL')
})

test('end() signals nobody when the process leaves by itself', async () => {
  const { child, process } = setup()
  const ended = process.end()
  child.exit(0, null)
  assert.equal((await ended).how, 'it exited with code 0')
  assert.deepEqual(child.signals, [])
})

test('a program that cannot run has ended', async () => {
  const { child, process } = setup()
  child.fail(new TypeError('spawn ENOENT'))
  assert.equal((await process.exited).how, 'it could not run, spawn ENOENT')
})

test('scripts for Node are run by the Node that runs us, other programs by themselves', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'p2p-launch-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const write = (name: string, text: string) => {
    writeFileSync(join(folder, name), text)
    return join(folder, name)
  }
  const script = write('one', '#!/usr/bin/env node\n')
  const module = write('two.mjs', '')
  const shell = write('three', '#!/bin/sh\n')
  assert.deepEqual(commandFor(script), [process.execPath, script])
  assert.deepEqual(commandFor(module), [process.execPath, module])
  assert.deepEqual(commandFor(shell), [shell])
  assert.equal(commandFor(join(folder, 'none')), undefined)
})
