import assert from 'node:assert/strict'
import { test } from 'node:test'
import { utf8 } from '../base/index.ts'
import { encodeSearch, readSearchAnswer, SSDP_BYTES_MAX, urlOnRouter } from './upnp-ssdp.ts'

const ROUTER = '192.168.1.1'
const TYPE = 'urn:schemas-upnp-org:device:InternetGatewayDevice:1'

function answer(
  headers: Readonly<Record<string, string>> = {},
  status = 'HTTP/1.1 200 OK',
): Uint8Array {
  const all = { 'Cache-Control': 'max-age=120', ST: TYPE, LOCATION: `http://${ROUTER}:5000/d.xml` }
  const lines = Object.entries({ ...all, ...headers }).map(([name, value]) => `${name}: ${value}`)
  return utf8([status, ...lines, '', ''].join('\r\n'))
}

test('encodeSearch() asks for one type of device', () => {
  const text = Buffer.from(encodeSearch(TYPE)).toString()
  assert.match(text, /^M-SEARCH \* HTTP\/1\.1\r\n/)
  assert.match(text, /\r\nMAN: "ssdp:discover"\r\n/)
  assert.ok(text.endsWith(`\r\nST: ${TYPE}\r\n\r\n`))
})

test('readSearchAnswer() finds the description of a gateway', () => {
  assert.equal(readSearchAnswer(answer(), ROUTER)?.href, `http://${ROUTER}:5000/d.xml`)
  const bare = utf8(`HTTP/1.1 200 OK\nst:${TYPE}\nlocation:http://${ROUTER}/\n\n`)
  assert.equal(readSearchAnswer(bare, ROUTER)?.href, `http://${ROUTER}/`)
})

test('readSearchAnswer() goes nowhere but to the router', () => {
  const places = [
    'http://192.168.1.2:5000/d.xml',
    'http://127.0.0.1:8080/',
    'http://router.local/d.xml',
    `https://${ROUTER}/d.xml`,
    `http://user:word@${ROUTER}/d.xml`,
    `http://${ROUTER}.example.org/`,
    `http://${ROUTER}@127.0.0.1/`,
    'file:///etc/passwd',
    'd.xml',
    '',
    `http://${ROUTER}/${'x'.repeat(2_000)}`,
  ]
  for (const LOCATION of places) {
    assert.equal(readSearchAnswer(answer({ LOCATION }), ROUTER), undefined, LOCATION)
  }
})

test('readSearchAnswer() reads answers of gateways alone, whole ones and no long ones', () => {
  assert.equal(readSearchAnswer(answer({ ST: 'upnp:rootdevice' }), ROUTER), undefined)
  assert.equal(readSearchAnswer(answer({}, 'HTTP/1.1 404 Not Found'), ROUTER), undefined)
  assert.equal(readSearchAnswer(answer({}, 'NOTIFY * HTTP/1.1'), ROUTER), undefined)
  const long = answer({ SERVER: 'x'.repeat(SSDP_BYTES_MAX) })
  assert.equal(readSearchAnswer(long, ROUTER), undefined)
  assert.equal(readSearchAnswer(new Uint8Array(), ROUTER), undefined)
})

test('urlOnRouter() reads paths against the description', () => {
  const base = new URL(`http://${ROUTER}:5000/a/d.xml`)
  assert.equal(urlOnRouter('/ctl', ROUTER, base)?.href, `http://${ROUTER}:5000/ctl`)
  assert.equal(urlOnRouter('ctl', ROUTER, base)?.href, `http://${ROUTER}:5000/a/ctl`)
  assert.equal(urlOnRouter('//127.0.0.1/ctl', ROUTER, base), undefined)
})
