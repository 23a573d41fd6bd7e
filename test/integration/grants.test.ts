/** Who may call what, between whole nodes: tokens, their limits, and calls on behalf of others. */

import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as wait } from 'node:timers/promises'
import { hasCode } from '../../src/base/index.ts'
import { type Tool, tool, z } from '../../src/mcp/index.ts'
import { openNode, resolveOptions } from '../../src/node/index.ts'
import { addressOf, eventually, fixtureService, type TestNode, testNode } from '../support/nodes.ts'

const SERVICE = 'files'

/** Says which path it was given, as a file server would read it. */
const read = tool('read', { input: z.object({ path: z.string() }) }, ({ path }) => `read ${path}`)
const inShared = { path: { kind: 'prefix', path: '/shared' } } as const

async function pair() {
  const host = await testNode()
  const caller = await testNode({ bootstrap: { nodes: [addressOf(host, 'tcp')] } })
  return {
    host,
    caller,
    async [Symbol.asyncDispose]() {
      await caller[Symbol.asyncDispose]()
      await host[Symbol.asyncDispose]()
    },
  }
}

type Options = { readonly grants?: readonly string[]; readonly service?: string }

const readAt = (from: TestNode, host: TestNode, path = '/shared/a', options: Options = {}) => {
  const target = { service: SERVICE, peer: host.node.peerId, ...options }
  return from.node.tools.call('read', { path }, target)
}

/** Refused by the peer, with the code that says why. */
async function refused(call: Promise<unknown>, code: string, says?: RegExp): Promise<void> {
  await assert.rejects(call, (error) => {
    assert.ok(hasCode(error, 'MCP_GRANT_REFUSED'), String(error))
    assert.equal((error.facts as { code: string }).code, code, String(error))
    if (says !== undefined) assert.match(error.message, says)
    return true
  })
}

test('a service that is not public answers whoever has a grant, within the grant', async () => {
  await using net = await pair()
  const { host, caller } = net
  await host.node.expose(SERVICE, [read], { allow: 'granted' })
  const asks = /p2p grant files --to .*; "--tool read" is enough for this call/
  await refused(readAt(caller, host), 'ACCESS_GRANT_MISSING', asks)

  const to = caller.node.peerId
  const asked = { to, service: SERVICE, tool: 'read', args: inShared }
  const { token, id } = await host.node.grants.issue(asked)
  await caller.node.grants.accept(token)
  const { content } = await readAt(caller, host)
  assert.deepEqual(content, [{ type: 'text', text: 'read /shared/a' }])
  for (const path of ['/etc/passwd', '/shared/../etc/passwd', '/sharedx', 'shared/a']) {
    const says = /argument "path" is outside the grant, which wants it inside \/shared/
    await refused(readAt(caller, host, path), 'ACCESS_GRANT_MISSING', says)
  }
  const audited = host.node.grants.audit().map(({ peer, tool: name, grant, code, outcome }) => {
    return { peer, name, grant, code, outcome }
  })
  assert.deepEqual(
    audited.find(({ outcome }) => outcome === 'ok'),
    {
      peer: to,
      name: 'read',
      grant: id,
      code: null,
      outcome: 'ok',
    },
  )
  assert.equal(audited[0]?.code, 'ACCESS_GRANT_MISSING')
})

test('a server that somebody else wrote is guarded the same way, and sees no tokens', async () => {
  await using net = await pair()
  const { host, caller } = net
  const spec = { ...fixtureService('fixture'), exposure: { allow: 'granted' as const } }
  await host.node.services.expose(spec, { detached: false })
  const target = { service: 'fixture', peer: host.node.peerId }
  const add = (a: number) => caller.node.tools.call('add', { a, b: 1 }, target)
  await refused(add(1), 'ACCESS_GRANT_MISSING')
  const args = { a: { kind: 'max', limit: 10 } } as const
  const asked = { to: caller.node.peerId, service: 'fixture', tool: 'add', args }
  const { token } = await host.node.grants.issue(asked)
  await caller.node.grants.accept(token)
  assert.deepEqual((await add(10)).structuredContent, { sum: 11 })
  await refused(add(11), 'ACCESS_GRANT_MISSING', /"a" is outside the grant/)
  await refused(caller.node.tools.call('pid', {}, target), 'ACCESS_GRANT_MISSING')
  // A list is made in three seconds, of whoever has answered by then.
  const theirs = await eventually(async () => {
    const listed = await caller.node.catalog.list()
    const found = listed.filter((each) => 'service' in each && each.service === 'fixture')
    return found.length > 0 ? found : undefined
  })
  assert.deepEqual(
    theirs.map((each) => 'tool' in each && each.tool),
    ['add'],
  )
})

test('a token shown by another peer, at another node, or too late is refused', async () => {
  await using net = await pair()
  const { host, caller } = net
  await using thief = await testNode({ bootstrap: { nodes: [addressOf(host, 'tcp')] } })
  await host.node.expose(SERVICE, [read], { allow: 'granted' })
  await caller.node.expose(SERVICE, [read], { allow: 'granted' })
  const asked = { to: caller.node.peerId, service: SERVICE }
  const { token } = await host.node.grants.issue(asked)
  await refused(readAt(thief, host, '/a', { grants: [token] }), 'ACCESS_GRANT_AUDIENCE')
  await thief.node.connect(addressOf(caller, 'tcp'))
  await refused(readAt(thief, caller, '/a', { grants: [token] }), 'ACCESS_GRANT_MISSING')
  await assert.rejects(thief.node.grants.accept(token), /it is for/)

  const short = await host.node.grants.issue({ ...asked, expiresInSeconds: 1 })
  await wait(1_100)
  await refused(readAt(caller, host, '/a', { grants: [short.token] }), 'ACCESS_GRANT_EXPIRED')
  await readAt(caller, host, '/a', { grants: [token] })
})

test('a token is good for so many calls, and for none once it is revoked', async () => {
  await using net = await pair()
  const { host, caller } = net
  await host.node.expose(SERVICE, [read], { allow: 'granted' })
  const asked = { to: caller.node.peerId, service: SERVICE }
  const counted = await host.node.grants.issue({ ...asked, callsMax: 2 })
  const use = (token: string) => readAt(caller, host, '/a', { grants: [token] })
  await use(counted.token)
  await use(counted.token)
  await refused(use(counted.token), 'ACCESS_GRANT_USED_UP')
  const { token, id } = await host.node.grants.issue(asked)
  await use(token)
  await host.node.grants.revoke(id)
  await refused(use(token), 'ACCESS_GRANT_REVOKED')
})

test('a count that was used up stays so when the node starts again', async () => {
  const dataDir = await mkdtemp(join(tmpdir(), 'p2p-grants-'))
  const open = () => {
    const config = resolveOptions({ preset: 'test', dataDir }, {})
    return openNode(config, { version: '0.0.0', writeLog: () => {} })
  }
  try {
    await using caller = await testNode()
    const call = async (options: Options) => {
      await using node = await open()
      await node.expose(SERVICE, [read], { allow: 'granted' })
      const host = { node, logs: [], [Symbol.asyncDispose]: async () => {} }
      await caller.node.connect(addressOf(host, 'tcp'))
      const { token } = options.grants?.[0]
        ? { token: options.grants[0] }
        : await node.grants.issue({ to: caller.node.peerId, service: SERVICE, callsMax: 1 })
      await readAt(caller, host, '/a', { grants: [token] })
      return token
    }
    const token = await call({})
    await refused(call({ grants: [token] }), 'ACCESS_GRANT_USED_UP')
  } finally {
    await rm(dataDir, { recursive: true, force: true })
  }
})

test('peers that are named need no token; others are shown nothing of it', async () => {
  await using net = await pair()
  const { host, caller } = net
  await using other = await testNode({ bootstrap: { nodes: [addressOf(host, 'tcp')] } })
  await host.node.expose(SERVICE, [read], { allow: [caller.node.peerId] })
  await readAt(caller, host)
  await refused(readAt(other, host), 'ACCESS_GRANT_MISSING')
})

/** Reads at another node for whoever asks; what it may do itself it must not lend. */
function forwarding(from: () => TestNode, to: () => TestNode): Tool {
  return tool('forward', { input: z.object({ path: z.string() }) }, async ({ path }) => {
    const { content } = await readAt(from(), to(), path)
    return JSON.stringify(content)
  })
}

test('a node that forwards adds no right of its own: the last one checks the whole chain', async () => {
  await using far = await testNode()
  await using middle = await testNode({ bootstrap: { nodes: [addressOf(far, 'tcp')] } })
  await using near = await testNode({ bootstrap: { nodes: [addressOf(middle, 'tcp')] } })
  await far.node.expose(SERVICE, [read], { allow: 'granted' })
  await middle.node.expose('relay', [
    forwarding(
      () => middle,
      () => far,
    ),
  ])
  const own = await far.node.grants.issue({ to: middle.node.peerId, service: SERVICE })
  await middle.node.grants.accept(own.token)
  await readAt(middle, far)

  const target = { service: 'relay', peer: middle.node.peerId }
  const ask = (path: string, grants: readonly string[] = []) => {
    return near.node.tools.call('forward', { path }, { ...target, grants })
  }
  const denied = await ask('/shared/a')
  assert.equal(denied.isError, true)
  assert.match(JSON.stringify(denied.content), /ACCESS_GRANT_MISSING/)
  const borrowed = await ask('/shared/a', [own.token])
  assert.equal(borrowed.isError, true, "the middle's own token does not name who asks")

  const asked = { to: near.node.peerId, service: SERVICE, args: inShared }
  const { token, id } = await far.node.grants.issue(asked)
  const lent = await near.node.grants.delegate({ from: token, to: middle.node.peerId })
  const allowed = await ask('/shared/a', [lent])
  assert.equal(allowed.isError ?? false, false, JSON.stringify(allowed.content))
  assert.equal((await ask('/etc/passwd', [lent])).isError, true)
  const audited = far.node.grants.audit().find(({ grant }) => grant === id)
  assert.deepEqual(
    audited?.chain,
    [far, near, middle].map(({ node }) => node.peerId),
  )
})

test('who may do nothing here starts nothing here, and is told of in the audit log', async () => {
  await using net = await pair()
  const { host, caller } = net
  const spec = { ...fixtureService('fixture'), exposure: { allow: 'granted' as const } }
  await host.node.services.expose(spec, { detached: false })
  const target = { service: 'fixture', peer: host.node.peerId }
  await refused(caller.node.tools.call('pid', {}, target), 'ACCESS_GRANT_MISSING')
  const [entry] = host.node.grants.audit()
  const { peer, service, tool: name, outcome } = entry ?? {}
  assert.deepEqual(
    { peer, service, name, outcome },
    { peer: caller.node.peerId, service: 'fixture', name: '*', outcome: 'refused' },
  )
})
