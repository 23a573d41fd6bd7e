import assert from 'node:assert/strict'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { HEALTHY } from '../../test/support/served-node.ts'
import { BaseError, silentLog } from '../base/index.ts'
import type { Api, ApiDeps } from './http.ts'
import { createLateApi } from './late-api.ts'

const deps = { node: { health: () => HEALTHY }, registry: {}, log: silentLog } as unknown as ApiDeps

interface Answered {
  status?: number
  body?: string
  destroyed: boolean
}

function exchange(method: string, url: string) {
  const answered: Answered = { destroyed: false }
  const response = {
    get destroyed() {
      return answered.destroyed
    },
    writeHead(status: number) {
      answered.status = status
    },
    end(body: string) {
      answered.body = body
    },
  } as unknown as ServerResponse
  const request = { method, url, headers: {} } as unknown as IncomingMessage
  return { request, response, answered }
}

function maker(fails = 0) {
  const seen = { made: 0, handled: [] as (string | undefined)[], closed: 0 }
  const api: Api = {
    handle: (request) => void seen.handled.push(request.url),
    async close() {
      seen.closed += 1
    },
  }
  const make = async () => {
    seen.made += 1
    await turn()
    if (seen.made > fails) return api
    throw BaseError.LIBRARY_UNUSABLE({ library: 'a framework', reason: 'it is gone' })
  }
  return { seen, make }
}

test('a probe is answered and makes no API; another spelling of it does', async () => {
  const { seen, make } = maker()
  const late = createLateApi(deps, 1_000, make)
  const probe = exchange('GET', '/health?verbose')
  late.handle(probe.request, probe.response)
  await turn()
  assert.equal(probe.answered.status, 200)
  assert.deepEqual(JSON.parse(probe.answered.body ?? ''), HEALTHY)
  assert.equal(seen.made, 0)
  for (const [method, url] of [
    ['POST', '/health'],
    ['GET', '/%68ealth'],
  ] as const) {
    const other = exchange(method, url)
    late.handle(other.request, other.response)
  }
  await turn()
  await turn()
  assert.deepEqual(seen.handled, ['/health', '/%68ealth'])
})

test('two first requests at once make the API once, and in their order', async () => {
  const { seen, make } = maker()
  const late = createLateApi(deps, 1_000, make)
  for (const url of ['/a', '/b']) {
    const { request, response } = exchange('GET', url)
    late.handle(request, response)
  }
  await turn()
  await turn()
  const { request, response } = exchange('GET', '/c')
  late.handle(request, response)
  assert.deepEqual(seen.handled, ['/a', '/b', '/c'])
  assert.equal(seen.made, 1)
  await late.close()
  assert.equal(seen.closed, 1)
})

test('a caller who went away while the API was made is not served', async () => {
  const { seen, make } = maker()
  const late = createLateApi(deps, 1_000, make)
  const { request, response, answered } = exchange('GET', '/a')
  late.handle(request, response)
  answered.destroyed = true
  await turn()
  await turn()
  assert.deepEqual(seen.handled, [])
})

test('a library that cannot be loaded is an answer with its code, and is tried again', async () => {
  const { seen, make } = maker(1)
  const late = createLateApi(deps, 1_000, make)
  const first = exchange('GET', '/a')
  late.handle(first.request, first.response)
  await turn()
  await turn()
  assert.match(first.answered.body ?? '', /BASE_LIBRARY_UNUSABLE/)
  assert.equal(first.answered.status, 500)
  const second = exchange('GET', '/b')
  late.handle(second.request, second.response)
  await turn()
  await turn()
  assert.deepEqual(seen.handled, ['/b'])
})

test('close() before the first request has nothing to close', async () => {
  const { seen, make } = maker()
  await createLateApi(deps, 1_000, make).close()
  assert.deepEqual(seen, { made: 0, handled: [], closed: 0 })
})
