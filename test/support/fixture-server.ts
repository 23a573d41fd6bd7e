/**
 * A small MCP server over stdio, run as a child process by tests of `mcp`.
 *
 *   node fixture-server.ts [FILE] [--exit CODE]
 *
 * `counter` appends a line to FILE each time it runs, so that a test can count; `--exit` says
 * something on stderr and ends at once.
 */

import { appendFileSync, readFileSync } from 'node:fs'
import { setTimeout as wait } from 'node:timers/promises'
import { McpServer } from '@modelcontextprotocol/server'
import { serveStdio } from '@modelcontextprotocol/server/stdio'
import { z } from 'zod'

const [file = '', flag = '', code = '0'] = process.argv.slice(2)
if (flag === '--exit') {
  process.stderr.write('fixture: going away\n')
  process.exit(Number(code))
}

const text = (value: string) => ({ content: [{ type: 'text' as const, text: value }] })

serveStdio(() => {
  const server = new McpServer({ name: 'fixture', version: '1' })
  const hidden = String.fromCodePoint(0x202e, 0x200b)
  server.registerTool(
    'echo',
    { description: `says ${hidden}it again`, inputSchema: z.object({ text: z.string() }) },
    ({ text: said }) => text(said),
  )
  server.registerTool(
    'add',
    {
      description: 'adds two numbers',
      inputSchema: z.object({ a: z.number(), b: z.number() }),
      outputSchema: z.object({ sum: z.number() }),
      annotations: { idempotentHint: true },
    },
    ({ a, b }) => ({ ...text(String(a + b)), structuredContent: { sum: a + b } }),
  )
  server.registerTool('counter', { description: 'counts its calls' }, () => {
    appendFileSync(file, 'ran\n')
    return text(String(readFileSync(file, 'utf8').split('\n').length - 1))
  })
  server.registerTool('pid', { description: 'which process answers' }, () =>
    text(String(process.pid)),
  )
  server.registerTool(
    'big',
    { description: 'a long text', inputSchema: z.object({ mib: z.number() }) },
    ({ mib }) => text('x'.repeat(mib * 1024 * 1024)),
  )
  server.registerTool(
    'slow',
    { description: 'takes its time', inputSchema: z.object({ ms: z.number() }) },
    async ({ ms }, { mcpReq }) => {
      try {
        await wait(ms, undefined, { signal: mcpReq.signal })
      } catch {
        appendFileSync(file, 'cancelled\n')
      }
      return text('done')
    },
  )
  server.registerTool('crash', { description: 'ends the process' }, () => process.exit(3))
  server.registerTool('grow', { description: 'offers one more tool' }, () => {
    server.registerTool('grown', { description: 'was not there before' }, () => text('here'))
    return text('grown')
  })
  return server
})
