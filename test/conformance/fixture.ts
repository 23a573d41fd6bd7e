/**
 * The server that the conformance suite is run against, alone and through two nodes.
 *
 *   node fixture.ts            Streamable HTTP on a free loopback port, which it prints
 *   node fixture.ts --stdio    the same on standard input and output
 */

/* eslint-disable @typescript-eslint/no-deprecated -- the SDK's plain server, whose answers are ours */

import { randomUUID } from 'node:crypto'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import {
  localhostHostValidation,
  localhostOriginValidation,
  NodeStreamableHTTPServerTransport,
  toNodeHandler,
} from '@modelcontextprotocol/node'
import {
  createMcpHandler,
  inputRequired,
  isLegacyRequest,
  ResourceNotFoundError,
  Server,
} from '@modelcontextprotocol/server'
import { serveStdio } from '@modelcontextprotocol/server/stdio'
import { type Changed, fixtureTools, PNG } from './fixture-tools.ts'

const HINTS = { ttlMs: 1_000, cacheScope: 'private' as const }
const JSON_TYPE = 'application/json'

function fixture(changed: Changed): Server {
  const server = new Server(
    { name: 'conformance-fixture', version: '1' },
    {
      capabilities: {
        tools: { listChanged: true },
        prompts: { listChanged: true },
        resources: { subscribe: true, listChanged: true },
        logging: {},
        completions: {},
      },
    },
  )
  const tools = fixtureTools(changed)
  server.setRequestHandler('tools/list', () => ({ tools: listed(tools), ...HINTS }))
  server.setRequestHandler('tools/call', async ({ params }, context) => {
    const tool = tools[params.name]
    if (tool === undefined) throw new TypeError(`no tool ${params.name}`)
    return (await tool.run(params.arguments ?? {}, context)) as never
  })
  server.setRequestHandler('completion/complete', () => {
    return { completion: { values: ['paris', 'park', 'party'], total: 3, hasMore: false } }
  })
  server.setRequestHandler('logging/setLevel', () => ({}))
  offerResources(server)
  offerPrompts(server)
  return server
}

function listed(tools: ReturnType<typeof fixtureTools>) {
  return Object.entries(tools).map(([name, { inputSchema }]) => ({
    name,
    description: `The suite calls it: ${name.replaceAll('_', ' ')}`,
    inputSchema: { type: 'object' as const, properties: {}, ...inputSchema },
  }))
}

function offerResources(server: Server): void {
  const text = { uri: 'test://static-text', name: 'text', mimeType: 'text/plain' }
  const binary = { uri: 'test://static-binary', name: 'binary', mimeType: 'image/png' }
  const watched = { uri: 'test://watched-resource', name: 'watched', mimeType: 'text/plain' }
  const described = [text, binary, watched].map((one) => ({ ...one, description: one.name }))
  server.setRequestHandler('resources/list', () => ({ resources: described, ...HINTS }))
  server.setRequestHandler('resources/templates/list', () => ({
    resourceTemplates: [
      { uriTemplate: 'test://template/{id}/data', name: 'template', description: 'by id' },
    ],
    ...HINTS,
  }))
  server.setRequestHandler('resources/read', ({ params: { uri } }) => {
    const { mimeType } = text
    const id = /^test:\/\/template\/([^/]+)\/data$/.exec(uri)?.[1]
    const said = 'This is the content of the static text resource.'
    if (uri === text.uri) return { contents: [{ uri, mimeType, text: said }], ...HINTS }
    if (uri === watched.uri) return { contents: [{ uri, mimeType, text: 'watched' }], ...HINTS }
    if (uri === binary.uri) {
      return { contents: [{ uri, mimeType: binary.mimeType, blob: PNG }], ...HINTS }
    }
    if (id === undefined) throw new ResourceNotFoundError(uri)
    const data = JSON.stringify({ id, templateTest: true, data: `Data for ID: ${id}` })
    return { contents: [{ uri, mimeType: JSON_TYPE, text: data }], ...HINTS }
  })
  server.setRequestHandler('resources/subscribe', () => ({}))
  server.setRequestHandler('resources/unsubscribe', () => ({}))
}

type Content = Readonly<Record<string, unknown>>

const said = (...contents: Content[]) => ({
  messages: contents.map((content) => ({ role: 'user', content })),
})
const text = (words: string) => ({ type: 'text', text: words })

function offerPrompts(server: Server): void {
  const needs = (...names: string[]) => names.map((name) => ({ name, required: true }))
  const prompts = [
    { name: 'test_simple_prompt' },
    { name: 'test_prompt_with_arguments', arguments: needs('arg1', 'arg2') },
    { name: 'test_prompt_with_embedded_resource', arguments: needs('resourceUri') },
    { name: 'test_prompt_with_image' },
    { name: 'test_input_required_result_prompt' },
  ].map((prompt) => ({ ...prompt, description: prompt.name }))
  server.setRequestHandler('prompts/list', () => ({ prompts, ...HINTS }))
  server.setRequestHandler('prompts/get', ({ params }, { mcpReq }) => {
    const { arg1, arg2, resourceUri } = params.arguments ?? {}
    const embedded = {
      uri: resourceUri,
      mimeType: 'text/plain',
      text: 'Embedded resource content for testing.',
    }
    const answers: Readonly<Record<string, unknown>> = {
      test_simple_prompt: said(text('This is a simple prompt for testing.')),
      test_prompt_with_arguments: said(
        text(`Prompt with arguments: arg1='${arg1}', arg2='${arg2}'`),
      ),
      test_prompt_with_embedded_resource: said(
        { type: 'resource', resource: embedded },
        text('Please process the embedded resource above.'),
      ),
      test_prompt_with_image: said(
        { type: 'image', data: PNG, mimeType: 'image/png' },
        text('Please analyze the image above.'),
      ),
      test_input_required_result_prompt:
        mcpReq.inputResponses?.user_context === undefined
          ? inputRequired({ inputRequests: { user_context: contextWanted } })
          : said(text('with your context')),
    }
    const answer = answers[params.name]
    if (answer === undefined) throw new TypeError(`no prompt ${params.name}`)
    return answer as never
  })
}

const contextWanted = inputRequired.elicit({
  message: 'What context should the prompt use?',
  requestedSchema: {
    type: 'object',
    properties: { context: { type: 'string' } },
    required: ['context'],
  },
})

/** Both eras at one address, as a server of a person would be. */
async function serveHttp(): Promise<number> {
  const sessions = new Map<string, NodeStreamableHTTPServerTransport>()
  const handler = createMcpHandler(
    () => fixture((list) => handler.notify[list === 'tools' ? 'toolsChanged' : 'promptsChanged']()),
    { legacy: 'reject' },
  )
  const modern = toNodeHandler(handler)
  const isOurs = [localhostHostValidation(), localhostOriginValidation()]
  const serve = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    if (!isOurs.every((check) => check(request, response))) return
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk as Buffer)
    const words = Buffer.concat(chunks).toString()
    const body = words === '' ? undefined : (JSON.parse(words) as unknown)
    const headers = new Headers(request.headers as Record<string, string>)
    const { method = 'GET' } = request
    const shown = new Request('http://localhost/mcp', { method, headers })
    if (!(await isLegacyRequest(shown, body))) {
      await modern(request as Parameters<typeof modern>[0], response, body)
      return
    }
    const id = request.headers['mcp-session-id']
    const known = sessions.get(String(id))
    if (known === undefined && id !== undefined) {
      response.writeHead(404).end()
      return
    }
    const transport = known ?? (await newSession(sessions))
    await transport.handleRequest(request, response, body)
  }
  const http = createServer((request, response) => void serve(request, response))
  http.listen(0, '127.0.0.1')
  await new Promise((resolve) => http.once('listening', resolve))
  const address = http.address()
  return typeof address === 'object' && address !== null ? address.port : 0
}

async function newSession(
  sessions: Map<string, NodeStreamableHTTPServerTransport>,
): Promise<NodeStreamableHTTPServerTransport> {
  const transport = new NodeStreamableHTTPServerTransport({
    sessionIdGenerator: randomUUID,
    onsessioninitialized: (id) => void sessions.set(id, transport),
    onsessionclosed: (id) => void sessions.delete(id),
  })
  const server = fixture((list) => {
    const told = list === 'tools' ? server.sendToolListChanged() : server.sendPromptListChanged()
    told.catch(() => undefined)
  })
  await server.connect(transport)
  return transport
}

if (process.argv.includes('--stdio')) {
  serveStdio(() => {
    const server = fixture((list) => {
      const told = list === 'tools' ? server.sendToolListChanged() : server.sendPromptListChanged()
      told.catch(() => undefined)
    })
    return server
  })
} else {
  process.stdout.write(`${await serveHttp()}\n`)
}
