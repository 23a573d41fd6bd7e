/**
 * The few system calls that Node lacks, through koffi: sockets that share a port. For Linux, whose
 * numbers these are (socket(7), ip(7), ipv6(7)); elsewhere, and without koffi's binary, loading
 * says why not. Loaded when first needed: it takes 9 MiB.
 */

import { getSystemErrorName } from 'node:util'
import { BaseError } from './base-errors.ts'

/** Calls that are made at once, and throw `BASE_SYSCALL_FAILED` with the system's error. */
export interface Syscalls {
  /**
   * A TCP socket that is bound to this address, whether or not others are, as a file descriptor
   * that does not block. The address is 4 bytes of IPv4 or 16 of IPv6, which then is IPv6 only.
   */
  boundTcp(address: Uint8Array, port: number): number
  /** Lets sockets made by `boundTcp` bind to the port of this one. */
  sharePort(fd: number): void
  close(fd: number): void
}

type Call = (...args: (number | Uint8Array)[]) => number

interface Libc {
  readonly socket: Call
  readonly setsockopt: Call
  readonly bind: Call
  readonly close: Call
  errno(): number
}

const KOFFI_MISSING = 'koffi did not load, which npm install --include=optional brings'
const AF_INET = 2
const AF_INET6 = 10
const SOCK_STREAM_NONBLOCK_CLOEXEC = 1 | 0o4_000 | 0o2_000_000
const SOL_SOCKET = 1
const SO_REUSEADDR = 2
const SO_REUSEPORT = 15
const IPPROTO_IPV6 = 41
const IPV6_V6ONLY = 26
const SOCKADDR_IN6_BYTES = 28
const SOCKADDR_IN_BYTES = 16

/** Why there are no such calls on this platform; `undefined` where koffi will say. */
export function syscallsMissing(platform: string = process.platform): string | undefined {
  return platform === 'linux' ? undefined : `they are known for Linux only, and this is ${platform}`
}

/** Rejects with `BASE_SYSCALLS_UNAVAILABLE`. `load` loads koffi; a test lets it fail. */
export async function loadSyscalls(
  load: () => Promise<Libc> = loadLibc,
  platform: string = process.platform,
): Promise<Syscalls> {
  const reason = syscallsMissing(platform)
  if (reason !== undefined) throw BaseError.SYSCALLS_UNAVAILABLE({ reason })
  try {
    return syscallsOf(await load())
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause)
    throw BaseError.SYSCALLS_UNAVAILABLE({ reason: `${KOFFI_MISSING}: ${why}` }, cause)
  }
}

async function loadLibc(): Promise<Libc> {
  const { default: koffi } = await import('koffi')
  // What this process has loaded already, which is glibc or musl.
  const libc = koffi.load(null)
  return {
    socket: libc.func('int socket(int domain, int type, int protocol)'),
    setsockopt: libc.func(
      'int setsockopt(int fd, int level, int name, const void *value, uint32_t bytes)',
    ),
    bind: libc.func('int bind(int fd, const void *address, uint32_t bytes)'),
    close: libc.func('int close(int fd)'),
    errno: () => koffi.errno(),
  }
}

function syscallsOf(libc: Libc): Syscalls {
  const checked = (call: 'socket' | 'setsockopt' | 'bind' | 'close', ...args: Parameters<Call>) => {
    const result = libc[call](...args)
    if (result >= 0) return result
    throw BaseError.SYSCALL_FAILED({ call, code: getSystemErrorName(-libc.errno()) })
  }
  const setOn = (fd: number, level: number, name: number) =>
    checked('setsockopt', fd, level, name, nativeInt(1), 4)
  return {
    boundTcp(address, port) {
      const isV6 = address.length === 16
      const fd = checked('socket', isV6 ? AF_INET6 : AF_INET, SOCK_STREAM_NONBLOCK_CLOEXEC, 0)
      try {
        setOn(fd, SOL_SOCKET, SO_REUSEADDR)
        setOn(fd, SOL_SOCKET, SO_REUSEPORT)
        if (isV6) setOn(fd, IPPROTO_IPV6, IPV6_V6ONLY)
        const name = socketAddress(address, port)
        checked('bind', fd, name, name.length)
        return fd
      } catch (error) {
        libc.close(fd)
        throw error
      }
    },
    sharePort: (fd) => void setOn(fd, SOL_SOCKET, SO_REUSEPORT),
    close: (fd) => void checked('close', fd),
  }
}

/**
 * struct sockaddr_in   family (2, native) · port (2, big endian) · address (4) · zero (8)
 * struct sockaddr_in6  family (2, native) · port (2, big endian) · flow (4) · address (16)
 *                      scope (4)
 */
function socketAddress(address: Uint8Array, port: number): Uint8Array {
  const isV6 = address.length === 16
  const bytes = new Uint8Array(isV6 ? SOCKADDR_IN6_BYTES : SOCKADDR_IN_BYTES)
  new Uint16Array(bytes.buffer, 0, 1)[0] = isV6 ? AF_INET6 : AF_INET
  new DataView(bytes.buffer).setUint16(2, port)
  bytes.set(address, isV6 ? 8 : 4)
  return bytes
}

function nativeInt(value: number): Uint8Array {
  return new Uint8Array(Int32Array.of(value).buffer)
}
