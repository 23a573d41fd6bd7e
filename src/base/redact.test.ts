import assert from 'node:assert/strict'
import { createPrivateKey, generateKeyPairSync } from 'node:crypto'
import { test } from 'node:test'
import { inspect } from 'node:util'
import fc from 'fast-check'
import { redactFields, redactText } from './redact.ts'

const PEER = '12D3KooWD3eckifWpRn9wQpMG9R9hX3sD158z7EqHWmweQAJU5SA'
const bytes = (size: number) => fc.uint8Array({ minLength: size, maxLength: size })

test('a peer id becomes its last six characters, in whichever form and wherever it stands', () => {
  const cases = [
    [PEER, '…AJU5SA'],
    [`/ip4/192.0.2.1/tcp/9000/p2p/${PEER}`, '/ip4/192.0.2.1/tcp/9000/p2p/…AJU5SA'],
    [`a_${PEER}_b`, 'a_…AJU5SA_b'],
    ['QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N', '…Wjhx5N'],
    ['16Uiu2HAm8AZ3nbGdGdoQrx7FC9whZCvoBQwCPZ8SVYmzL8wAvXyz', '…wAvXyz'],
    ['k51qzi5uqu5dj16qyiq0tajolkojyl9qdkr254920wxv7ghtuwcz593tp69z9m', '…p69z9m'],
    ['k2k4r8jl0yz8qjgqbmc2cdu5hkqek5rj6flgnlkyywynci20j0iuyfuj', 'iuyfuj'],
    ['bafzbeie5745rpv2m6tjyuugywy4d5ewrqgqqhfnf445he3omzpjbx5xqxe', '…x5xqxe'],
  ] as const
  for (const [text, end] of cases) assert.ok(redactText(text).endsWith(end), redactText(text))
  assert.equal(redactText('12D3KooW short'), '12D3KooW short')
})

test('addresses of Ethereum, keys and tokens do not stand in a line', () => {
  const address = '0x52908400098527886E0F7030069857D2E4169EE7'
  assert.equal(redactText(`to ${address}.`), 'to …169EE7.')
  const secret = fc.tuple(
    bytes(32),
    fc.constantFrom('hex' as const, 'base64' as const, 'base64url' as const),
  )
  const around = fc.constantFrom(['', ''], ['key=', ';'], ['"', '"'], ['at /', '/x'], ['(', ')'])
  fc.assert(
    fc.property(secret, around, ([raw, form], [before, after]) => {
      const text = Buffer.from(raw).toString(form)
      // Fifty random letters of one case are as good as never; the test needs not meet them.
      fc.pre(form === 'hex' || (/[a-z]/.test(text) && /[A-Z]/.test(text)))
      const said = redactText(`${before}${text}${after}`)
      assert.ok(!said.includes(text.replace(/=+$/, '')), said)
    }),
  )
  assert.equal(redactText('Bearer short!'), 'Bearer [redacted]')
})

test('base64 without padding is cut, and a long path is not', () => {
  fc.assert(
    fc.property(bytes(36), (raw) => {
      const text = Buffer.from(raw).toString('base64')
      fc.pre(/[a-z]/.test(text) && /[A-Z]/.test(text) && /\d/.test(text))
      fc.pre(text.split('/').length <= 5)
      assert.equal(redactText(`public key ${text}`), 'public key [48 characters]')
    }),
  )
  const path = '/home/Somebody/projects/p2p/node2/modules/pino/lib'
  assert.equal(redactText(path), path)
})

test('a secret is cut by its name inside a text, however short it is', () => {
  const cases = [
    ['GET /v1?token=abc&x=1 failed', 'GET /v1?token=[redacted]&x=1 failed'],
    ['OPENAI_API_KEY=sk-1 node x', 'OPENAI_API_KEY=[redacted] node x'],
    ['https://me:hunter2@host/x', 'https://[redacted]@host/x'],
  ] as const
  for (const [text, said] of cases) assert.equal(redactText(text), said)
  const kept = 'the token is wrong: read api.token of https://host/@x'
  assert.equal(redactText(kept), kept)
})

test('a secret is cut by the name of its field, of every usual spelling', () => {
  const names = [
    'token',
    'tokens',
    'apiToken',
    'passphrase',
    'secretKey',
    'secret_key',
    'x-api-key',
    'privateKey',
    'credentials',
    'set-cookie',
    'env',
  ]
  for (const name of names) {
    assert.equal(redactFields({ [name]: 'swordfish' })[name], '[redacted]', name)
    assert.doesNotMatch(JSON.stringify(redactFields({ a: [{ [name]: ['swordfish'] }] })), /sword/)
  }
})

test('what JSON has no word for is shown as far as it may be', () => {
  const at = new Date(0)
  const map = new Map<unknown, unknown>([
    [PEER, PEER],
    [1, 1],
    ['token', 'swordfish'],
  ])
  const said = redactFields({
    map,
    set: new Set([PEER]),
    url: new URL(`http://u:swordfish@127.0.0.1/p2p/${PEER}?token=swordfish`),
    at,
    never: new Date(Number.NaN),
    memory: new ArrayBuffer(32),
    small: 7n,
    key: 2n ** 255n,
  })
  assert.deepEqual(said, {
    map: { '…AJU5SA': '…AJU5SA', 1: 1, token: '[redacted]' },
    set: ['…AJU5SA'],
    url: 'http://[redacted]@127.0.0.1/p2p/…AJU5SA?token=[redacted]',
    at: '1970-01-01T00:00:00.000Z',
    never: null,
    memory: '[32 bytes]',
    small: '7',
    key: '[large number]',
  })
})

test('a value that cannot be read does not throw into the work that logs it', () => {
  const trap = {
    get x(): string {
      throw new RangeError('no')
    },
  }
  assert.deepEqual(redactFields({ trap, y: 1 }), { trap: '[unreadable]', y: 1 })
})

test('what the bound cuts in the middle does not stay as a half', () => {
  for (let before = 2_000; before < 2_048; before += 1) {
    const said = redactText(`${'x '.repeat(before / 2)}${PEER} and more`)
    assert.doesNotMatch(said, /12D3/, String(before))
  }
})

test('bytes do not stand in a line as Node prints them', () => {
  const { privateKey } = generateKeyPairSync('ed25519')
  const raw = createPrivateKey(privateKey.export({ type: 'pkcs8', format: 'pem' }))
    .export({ type: 'pkcs8', format: 'der' })
    .subarray(-32)
  for (const shown of [raw, Uint8Array.from(raw)]) {
    const said = redactText(inspect(shown))
    assert.match(said, /…/)
    assert.ok(said.length < 40, said)
  }
})

test('of a message only its size is told, also of one that was cut off', () => {
  const message = '{"jsonrpc":"2.0","params":{"arguments":{"x":"swordfish"}}}'
  for (const text of [
    `unknown message id: ${message}`,
    `unknown: ${message.slice(0, 55)}`,
    `list [${message}] of one`,
    `escaped ${JSON.stringify(message)}`,
  ]) {
    assert.doesNotMatch(redactText(text), /swordfish/, text)
    assert.match(redactText(text), /^\w+.*\[\d+ characters of JSON\]/)
  }
  try {
    JSON.parse('swordfish, "and more"')
  } catch (error) {
    assert.doesNotMatch(JSON.stringify(redactFields({ error })), /swordfish|sword/)
  }
  const fields = { args: { x: 'swordfish' }, result: 'swordfish', content: ['swordfish'] }
  assert.doesNotMatch(JSON.stringify(redactFields(fields)), /swordfish/)
})

test('what tells what happened is kept', () => {
  for (const text of [
    '/tmp/p2p-e2e-Ab3/d1268016-6689-4071-a3c3-19a785893b97/some_folder/identity.key',
    'f47ac10b58cc4372a5670e02b2c3d479',
    '/ip6/2001:db8::1/udp/9001/quic-v1',
    'connect ECONNREFUSED 127.0.0.1:9002 {"',
    'Cannot call tool "add": peer …AJU5SA did not answer',
  ]) {
    assert.equal(redactText(text).slice(0, 30), text.slice(0, 30))
  }
  assert.equal(redactText('a list [1, 2, 3]'), 'a list [1, 2, 3]')
})

test('a line has a bounded length, whatever a peer says', () => {
  const long = redactText('x '.repeat(50_000))
  assert.ok(long.length < 2_100)
  assert.match(long, /… \(97952 more\)$/)
  const many = redactFields({ list: Array.from({ length: 1_000 }, (_, i) => i) })
  assert.equal((many.list as unknown[]).length, 65)
  const wide = redactFields({
    map: Object.fromEntries(Array.from({ length: 1_000 }, (_, i) => [i, i])),
  })
  assert.equal(Object.keys(wide.map as object).length, 64)
})

test('the causes of an error are cut as well, and all of an AggregateError are named', () => {
  const inner = new TypeError(`no answer from ${PEER}`)
  const error = new RangeError('outer', { cause: new AggregateError([inner, inner], 'all failed') })
  assert.equal(
    redactFields({ error }).error,
    'outer (all failed (no answer from …AJU5SA; no answer from …AJU5SA))',
  )
})

test('no text makes it slow', () => {
  fc.assert(
    fc.property(
      fc.array(fc.constantFrom('1, ', 'ab ', '"', 'Qm1', '0x', 'A', 'a', '1', '://', 'token='), {
        minLength: 500,
        maxLength: 3_000,
      }),
      (parts) => {
        const began = performance.now()
        redactText(parts.join(''))
        assert.ok(performance.now() - began < 200)
      },
    ),
    { numRuns: 50 },
  )
})
