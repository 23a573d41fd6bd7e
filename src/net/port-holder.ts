/**
 * Which process holds a port, from /proc (proc(5)): best effort, Linux only, and only for processes
 * whose descriptors this user may see.
 *
 *   /proc/net/tcp   sl  local_address:port  rem_address  st  …  inode     (st 0A is LISTEN)
 *   /proc/<pid>/fd  links such as socket:[<inode>]
 */

import { readdir, readFile, readlink } from 'node:fs/promises'

const TABLES = { tcp: ['tcp', 'tcp6'], udp: ['udp', 'udp6'] } as const
const LISTENING = '0A'
const PROCESSES_MAX = 8_192
const DESCRIPTORS_MAX = 4_096

/** `node (pid 4711)`, or `undefined` when nobody can be named. */
export async function portHolder(kind: 'tcp' | 'udp', port: number): Promise<string | undefined> {
  const tables = await Promise.all(TABLES[kind].map((name) => read(`/proc/net/${name}`)))
  const links = tables.flatMap((table) => inodesAt(table, kind, port)).map(socketLink)
  if (links.length === 0) return undefined
  const entries = await readdir('/proc').catch(() => [])
  for (const pid of entries.filter((name) => /^\d+$/.test(name)).slice(0, PROCESSES_MAX)) {
    if (await holds(pid, links)) {
      const name = (await read(`/proc/${pid}/comm`)).trim()
      return `${name === '' ? 'a process' : name} (pid ${pid})`
    }
  }
  return undefined
}

/** Inodes of the sockets that are bound to `port` in one table of /proc/net. */
export function inodesAt(table: string, kind: 'tcp' | 'udp', port: number): string[] {
  const wanted = port.toString(16).toUpperCase().padStart(4, '0')
  return table
    .split('\n')
    .slice(1)
    .map((line) => line.trim().split(/\s+/))
    .filter(([, local = '', , state]) => {
      return local.endsWith(`:${wanted}`) && (kind === 'udp' || state === LISTENING)
    })
    .flatMap((fields) => fields[9] ?? [])
}

async function holds(pid: string, links: readonly string[]): Promise<boolean> {
  const descriptors = await readdir(`/proc/${pid}/fd`).catch(() => [])
  for (const descriptor of descriptors.slice(0, DESCRIPTORS_MAX)) {
    const link = await readlink(`/proc/${pid}/fd/${descriptor}`).catch(() => '')
    if (links.includes(link)) return true
  }
  return false
}

function socketLink(inode: string): string {
  return `socket:[${inode}]`
}

async function read(file: string): Promise<string> {
  return readFile(file, 'utf8').catch(() => '')
}
