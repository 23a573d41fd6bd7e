import { defineErrors } from '../base/index.ts'

export const IpError = defineErrors('IP', {
  ADDRESS_INVALID: {
    says: (f: { found: string }) =>
      `Cannot read IP address ${JSON.stringify(f.found)}: wanted IPv4 such as 192.0.2.1 ` +
      'or IPv6 such as 2001:db8::1, without port, prefix length or zone',
  },
  PREFIX_INVALID: {
    says: (f: { found: string }) =>
      `Cannot read IP prefix ${JSON.stringify(f.found)}: wanted an address, a slash and a ` +
      'length such as 192.0.2.0/24, with no bit set beyond the length',
  },
  PORT_INVALID: {
    says: (f: { found: number }) =>
      `Cannot use port ${f.found}: wanted a whole number from 0 to 65535`,
  },
  WORDS_COUNT: {
    says: (f: { found: number }) =>
      `Cannot read an address from ${f.found} words: wanted 3 (IPv4 and port) or 9 (IPv6 and port)`,
  },
  WORDS_TOO_LONG: {
    says: (f: { size: number; limit: number }) =>
      `Cannot read words of ${f.size} characters: the limit is ${f.limit}`,
  },
  WORD_UNKNOWN: {
    says: (f: { word: string; position: number; nearest: readonly string[] }) =>
      `Cannot read word ${f.position} ${JSON.stringify(f.word)}: it is not in the list` +
      (f.nearest.length === 0 ? '' : `. Did you mean ${f.nearest.join(', ')}?`),
  },
})
