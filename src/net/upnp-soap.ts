/**
 * What a gateway and we say to each other in XML: its description, and SOAP (UPnP Device
 * Architecture 2.0 §2 and §3; WANIPConnection:1 and :2, WANPPPConnection:1).
 *
 * Routers write XML that is not quite XML, so it is read leniently, as a stream: names without
 * their prefix, the text of what has no children, and nothing else. No document type, no entity
 * of its own, no more elements and no deeper than any real router needs.
 */

import sax from 'sax'
import { NetError } from './errors.ts'
import { urlOnRouter } from './upnp-ssdp.ts'

/** The services that map ports, best first. */
export const CONNECTION_SERVICES = [
  'urn:schemas-upnp-org:service:WANIPConnection:2',
  'urn:schemas-upnp-org:service:WANIPConnection:1',
  'urn:schemas-upnp-org:service:WANPPPConnection:1',
] as const
export type ConnectionService = (typeof CONNECTION_SERVICES)[number]

/** Above what any router's description or answer takes. */
export const XML_BYTES_MAX = 128 * 1_024
const DEPTH_MAX = 32
const ELEMENTS_MAX = 4_096
const TEXT_CHARS_MAX = 1_024

/** Where a gateway takes requests to map ports. */
export interface Control {
  readonly service: ConnectionService
  readonly url: URL
}

/** The texts of an answer by the name of their element, or the number of the error it tells. */
export interface SoapAnswer {
  readonly texts: ReadonlyMap<string, string>
  readonly errorCode: number | undefined
}

/** Throws `NET_ROUTER_UNUSABLE` for what no router would send. */
export function readControls(xml: string, description: URL): readonly Control[] {
  const router = description.hostname
  const services: { type: string; url: string }[] = []
  let type = ''
  let control = ''
  let base: URL | undefined
  readLeaves(xml, router, (path, text) => {
    if (path.length === 2 && path[1] === 'urlbase') base = urlOnRouter(text, router)
    if (path.at(-2) !== 'service') return
    if (path.at(-1) === 'servicetype') type = text
    if (path.at(-1) === 'controlurl') control = text
    if (type === '' || control === '') return
    services.push({ type, url: control })
    type = ''
    control = ''
  })
  return CONNECTION_SERVICES.flatMap((service) => {
    const found = services.filter((one) => one.type === service)
    const urls = found.map(({ url }) => urlOnRouter(url, router, base ?? description))
    return urls.flatMap((url) => (url === undefined ? [] : [{ service, url }]))
  })
}

export function readSoapAnswer(xml: string, router: string): SoapAnswer {
  const texts = new Map<string, string>()
  readLeaves(xml, router, (path, text) => texts.set(path.at(-1) ?? '', text))
  const code = texts.get('errorcode')
  return { texts, errorCode: code === undefined ? undefined : Number.parseInt(code, 10) }
}

/** One request; names and values are ours and hold nothing that XML would read as its own. */
export function soapRequest(
  service: ConnectionService,
  action: string,
  args: Readonly<Record<string, string | number>>,
): { readonly headers: Readonly<Record<string, string>>; readonly body: string } {
  const fields = Object.entries(args).map(([name, value]) => `<${name}>${value}</${name}>`)
  const body =
    '<?xml version="1.0"?>\r\n' +
    '<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/" ' +
    's:encodingStyle="http://schemas.xmlsoap.org/soap/encoding/"><s:Body>' +
    `<u:${action} xmlns:u="${service}">${fields.join('')}</u:${action}>` +
    '</s:Body></s:Envelope>\r\n'
  const headers = {
    'Content-Type': 'text/xml; charset="utf-8"',
    SOAPAction: `"${service}#${action}"`,
  }
  return { headers, body }
}

/** Calls `leaf` for each element without children: the path of names to it, and its text. */
function readLeaves(
  xml: string,
  router: string,
  leaf: (path: readonly string[], text: string) => void,
): void {
  const tooMuch = (what: string) =>
    NetError.ROUTER_UNUSABLE({ router, via: 'UPnP', reason: `it sends ${what}` })
  if (xml.length > XML_BYTES_MAX) throw tooMuch(`${xml.length} characters of XML`)
  const parser = sax.parser(false, { lowercase: true, trim: true, position: false })
  const path: string[] = []
  let text = ''
  let isLeaf = false
  let elements = 0
  parser.onopentag = ({ name }) => {
    path.push(name.slice(name.lastIndexOf(':') + 1))
    elements += 1
    if (path.length > DEPTH_MAX) throw tooMuch(`XML of more than ${DEPTH_MAX} levels`)
    if (elements > ELEMENTS_MAX) throw tooMuch(`more than ${ELEMENTS_MAX} elements`)
    text = ''
    isLeaf = true
  }
  parser.ontext = (more) => {
    text = (text + more).slice(0, TEXT_CHARS_MAX)
  }
  parser.onclosetag = () => {
    if (isLeaf) leaf(path, text)
    isLeaf = false
    path.pop()
  }
  parser.onerror = (cause) => {
    throw NetError.ROUTER_UNUSABLE({ router, via: 'UPnP', reason: 'it sends no XML' }, cause)
  }
  parser.write(xml).close()
}
