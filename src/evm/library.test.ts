import assert from 'node:assert/strict'
import { test } from 'node:test'
import { coded } from '../../test/support/expect.ts'
import { chainLibrary } from './library.ts'

test('without viem the error says what to run', async () => {
  const missing = Object.assign(new Error("Cannot find package 'viem' imported from x.ts"), {
    code: 'ERR_MODULE_NOT_FOUND',
  })
  const failed = chainLibrary(() => Promise.reject(missing))
  await assert.rejects(failed, coded('EVM_LIBRARY_MISSING'))
  await assert.rejects(failed, /Cannot find package 'viem'.*npm install viem@2\.56\.9/s)
})

test('the version to install is the one that we test', async () => {
  const { default: manifest } = await import('viem/package.json', { with: { type: 'json' } })
  const failed = chainLibrary(() => Promise.reject(new TypeError('none')))
  await assert.rejects(failed, new RegExp(`viem@${manifest.version.replaceAll('.', '\\.')}$`))
})

test('with viem it is loaded once for all', async () => {
  assert.equal(await chainLibrary(), await chainLibrary())
})
