import assert from 'node:assert/strict'
import { test } from 'node:test'
import { coded } from '../../test/support/expect.ts'
import { Emitter } from './emitter.ts'

interface Events {
  readonly told: { readonly word: string }
  readonly done: undefined
}

function setup() {
  const errors: unknown[] = []
  return { errors, emitter: new Emitter<Events>((error) => errors.push(error)) }
}

test('emit() calls every listener of that event, in order, and no other', () => {
  const { emitter } = setup()
  const heard: string[] = []
  emitter.on('told', ({ word }) => heard.push(`a ${word}`))
  emitter.on('told', ({ word }) => heard.push(`b ${word}`))
  emitter.on('done', () => heard.push('done'))
  emitter.emit('told', { word: 'hi' })
  assert.deepEqual(heard, ['a hi', 'b hi'])
})

test('a listener that throws harms neither the sender nor its neighbours', () => {
  const { emitter, errors } = setup()
  const heard: string[] = []
  const failure = new TypeError('listener')
  emitter.on('done', () => {
    throw failure
  })
  emitter.on('done', () => heard.push('still'))
  emitter.emit('done', undefined)
  assert.deepEqual(heard, ['still'])
  assert.deepEqual(errors, [failure])
})

test('a listener taken away is not called again, not even by the event that is under way', () => {
  const { emitter } = setup()
  const heard: string[] = []
  const offs: (() => void)[] = []
  emitter.on('done', () => {
    heard.push('first')
    offs[0]?.()
  })
  offs.push(emitter.on('done', () => heard.push('second')))
  emitter.emit('done', undefined)
  emitter.emit('done', undefined)
  assert.deepEqual(heard, ['first', 'first'])
})

test('a listener added by a listener waits for the next event', () => {
  const { emitter } = setup()
  const heard: string[] = []
  emitter.on('done', () => void emitter.on('done', () => heard.push('late')))
  emitter.emit('done', undefined)
  assert.deepEqual(heard, [])
})

test('the same listener given twice is called twice, and taken away once', () => {
  const { emitter } = setup()
  const heard: string[] = []
  const listener = () => void heard.push('x')
  const off = emitter.on('done', listener)
  emitter.on('done', listener)
  emitter.emit('done', undefined)
  off()
  off()
  emitter.emit('done', undefined)
  assert.equal(heard.length, 3)
})

test('listeners without end are a bug, and found', () => {
  const { emitter } = setup()
  const addMany = () => {
    for (let i = 0; i <= 1_000; i += 1) emitter.on('done', () => undefined)
  }
  assert.throws(addMany, coded('BASE_BUG'))
})
