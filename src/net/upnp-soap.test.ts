import assert from 'node:assert/strict'
import { test } from 'node:test'
import { hasCode } from '../base/index.ts'
import { readControls, readSoapAnswer, soapRequest, XML_BYTES_MAX } from './upnp-soap.ts'

const ROUTER = '192.168.1.1'
const AT = new URL(`http://${ROUTER}:5000/rootDesc.xml`)
const IP1 = 'urn:schemas-upnp-org:service:WANIPConnection:1'
const IP2 = 'urn:schemas-upnp-org:service:WANIPConnection:2'

function description(services: readonly (readonly [string, string])[], before = ''): string {
  const list = services.map(
    ([type, control]) => `<service><serviceType>${type}</serviceType><SCPDURL>/x</SCPDURL>
      <controlURL> ${control} </controlURL><eventSubURL>/e</eventSubURL></service>`,
  )
  return `<?xml version="1.0"?><root xmlns="urn:schemas-upnp-org:device-1-0">${before}
    <device><friendlyName>R & D</friendlyName><deviceList><device><deviceList><device>
    <serviceList>${list.join('')}</serviceList></device></deviceList></device></deviceList></device>
    </root>\0\n`
}

test('readControls() finds the services that map ports, best first, in XML that is not quite XML', () => {
  const xml = description([
    ['urn:schemas-upnp-org:service:WANCommonInterfaceConfig:1', '/common'],
    [IP1, '/one'],
    [IP2, `http://${ROUTER}:6000/two`],
  ])
  const found = readControls(xml, AT).map(({ service, url }) => [service, url.href])
  assert.deepEqual(found, [
    [IP2, `http://${ROUTER}:6000/two`],
    [IP1, `http://${ROUTER}:5000/one`],
  ])
})

test('readControls() takes no place but the router, whatever URLBase says', () => {
  const elsewhere = description([
    [IP1, 'http://127.0.0.1/one'],
    [IP2, '//10.0.0.9/two'],
  ])
  assert.deepEqual(readControls(elsewhere, AT), [])
  const base = description([[IP1, 'one']], `<URLBase>http://${ROUTER}:7000/u/</URLBase>`)
  assert.equal(readControls(base, AT)[0]?.url.href, `http://${ROUTER}:7000/u/one`)
  const far = description([[IP1, 'one']], '<URLBase>http://127.0.0.1:7000/u/</URLBase>')
  assert.equal(readControls(far, AT)[0]?.url.href, `http://${ROUTER}:5000/one`)
})

test('readSoapAnswer() reads texts without their prefix, and the number of an error', () => {
  const answer = readSoapAnswer(
    `<s:Envelope><s:Body><u:GetExternalIPAddressResponse xmlns:u="${IP1}">
     <NewExternalIPAddress>5.9.77.100</NewExternalIPAddress></u:GetExternalIPAddressResponse>
     </s:Body></s:Envelope>`,
    ROUTER,
  )
  assert.equal(answer.texts.get('newexternalipaddress'), '5.9.77.100')
  assert.equal(answer.errorCode, undefined)
  const fault = readSoapAnswer(
    `<s:Fault><detail><UPnPError><errorCode>718</errorCode></UPnPError></detail></s:Fault>`,
    ROUTER,
  )
  assert.equal(fault.errorCode, 718)
})

test('soapRequest() says the action in the header and in the body', () => {
  const { headers, body } = soapRequest(IP1, 'DeletePortMapping', { NewExternalPort: 9_000 })
  assert.equal(headers.SOAPAction, `"${IP1}#DeletePortMapping"`)
  assert.match(body, /<u:DeletePortMapping xmlns:u="[^"]+"><NewExternalPort>9000</)
})

test('XML that is a bomb is refused before it costs anything', () => {
  const bombs = [
    'x'.repeat(XML_BYTES_MAX + 1),
    '<a>'.repeat(1_000),
    `<r>${'<a/>'.repeat(10_000)}`,
    `<a>${'<b>'.repeat(40)}`,
  ]
  for (const bomb of bombs) {
    assert.throws(
      () => readControls(bomb, AT),
      (error) => hasCode(error, 'NET_ROUTER_UNUSABLE'),
    )
  }
  const text = readSoapAnswer(`<a>${'x'.repeat(100_000)}</a>`, ROUTER).texts.get('a')
  assert.equal(text?.length, 1_024)
  const entities = '<!DOCTYPE a [<!ENTITY b "cc"><!ENTITY d "&b;&b;">]><a>&d;</a>'
  assert.ok((readSoapAnswer(entities, ROUTER).texts.get('a') ?? '').length < 10)
})
