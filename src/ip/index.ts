/**
 * Floor 1. Internet addresses: what they are, how far they reach, and how to say them.
 *
 * In: text and bytes. Out: values and words. No sockets. Start reading at `address.ts`.
 */

export { embeddedIPv4, type IpAddress, ipFromBytes, parseIp } from './address.ts'
export { IpError } from './errors.ts'
export { contains, type GroupBits, groupOf, type IpPrefix, parsePrefix } from './prefix.ts'
export { SCOPES, type Scope, scopeOf } from './ranges.ts'
export { type Endpoint, endpointToWords, wordsToEndpoint } from './words.ts'
