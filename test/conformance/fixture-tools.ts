/** The tools that the conformance suite's scenarios call, as each describes what it wants. */

import { setTimeout as wait } from 'node:timers/promises'
import {
  acceptedContent,
  createRequestStateCodec,
  type InputRequests,
  inputRequired,
  MissingRequiredClientCapabilityError,
  ProtocolError,
  type ServerContext,
} from '@modelcontextprotocol/server'

type Args = Readonly<Record<string, unknown>>
type Run = (args: Args, context: ServerContext) => unknown

export interface FixtureTool {
  readonly inputSchema?: Readonly<Record<string, unknown>>
  readonly run: Run
}

/** Tells whoever listens that a list has changed. */
export type Changed = (list: 'tools' | 'prompts') => void

export const PNG =
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8DwHwAFBQIAX8jx0gAAAABJRU5ErkJggg=='
const WAV = 'UklGRiYAAABXQVZFZm10IBAAAAABAAEAQB8AAAB9AAACABAAZGF0YQIAAAA='
const CAPABILITIES = 'io.modelcontextprotocol/clientCapabilities'
const LOG_LEVEL = 'io.modelcontextprotocol/logLevel'

/** What a client of the newer era says of itself and of one request. */
const said = ({ mcpReq }: ServerContext): Args => ({ ...mcpReq.envelope })
const capabilitiesOf = (context: ServerContext): Args => ({
  ...(said(context)[CAPABILITIES] as Args),
})

const states = createRequestStateCodec<{ round: number }>({
  key: new Uint8Array(32).fill(7),
})

const text = (words: string) => ({ content: [{ type: 'text', text: words }] })
const image = { type: 'image', data: PNG, mimeType: 'image/png' }
const say = (words: string): FixtureTool => ({ run: () => text(words) })
const blocks = (...content: object[]): FixtureTool => ({ run: () => ({ content }) })
const resource = (uri: string, mimeType: string, words: string) => {
  return { type: 'resource', resource: { uri, mimeType, text: words } }
}

const PLAIN: Readonly<Record<string, FixtureTool>> = {
  test_simple_text: say('This is a simple text response for testing.'),
  test_image_content: blocks(image),
  test_audio_content: blocks({ type: 'audio', data: WAV, mimeType: 'audio/wav' }),
  test_embedded_resource: blocks(
    resource('test://embedded-resource', 'text/plain', 'This is an embedded resource content.'),
  ),
  test_multiple_content_types: blocks(
    { type: 'text', text: 'Multiple content types test:' },
    image,
    resource('test://mixed-content-resource', 'application/json', '{"test":"data","value":123}'),
  ),
  test_error_handling: {
    run: () => ({
      ...text('This tool intentionally returns an error for testing'),
      isError: true,
    }),
  },
  test_tool_with_logging: {
    async run(_args, { mcpReq }) {
      const steps = ['Tool execution started', 'Tool processing data', 'Tool execution completed']
      for (const data of steps) {
        await mcpReq.notify({ method: 'notifications/message', params: { level: 'info', data } })
        await wait(50)
      }
      return text('done')
    },
  },
  test_logging_tool: {
    async run(_args, context) {
      const { mcpReq } = context
      const level = said(context)[LOG_LEVEL]
      const params = { level: 'info', data: 'working' }
      if (level !== undefined) await mcpReq.notify({ method: 'notifications/message', params })
      return text('done')
    },
  },
  test_tool_with_progress: {
    async run(_args, { mcpReq }) {
      const progressToken = mcpReq._meta?.progressToken
      for (const progress of [0, 50, 100]) {
        const params = { progressToken, progress, total: 100, message: `${progress} of 100` }
        const method = 'notifications/progress'
        if (progressToken !== undefined) await mcpReq.notify({ method, params })
        await wait(50)
      }
      return text(String(progressToken))
    },
  },
  test_missing_capability: {
    run(_args, context) {
      const declared = capabilitiesOf(context)
      if (declared.sampling !== undefined) return text('sampling is there')
      throw new MissingRequiredClientCapabilityError({ requiredCapabilities: { sampling: {} } })
    },
  },
}

/** Keywords of JSON Schema 2020-12 which a node on the way must not lose (SEP-1613, SEP-2106). */
const KEYWORDS = {
  $schema: 'https://json-schema.org/draft/2020-12/schema',
  type: 'object',
  $defs: {
    address: {
      $anchor: 'addressDef',
      type: 'object',
      properties: { street: { type: 'string' }, city: { type: 'string' } },
    },
  },
  properties: {
    name: { type: 'string' },
    address: { $ref: '#/$defs/address' },
    contactMethod: { type: 'string', enum: ['phone', 'email'] },
    phone: { type: 'string' },
    email: { type: 'string' },
  },
  allOf: [{ anyOf: [{ required: ['phone'] }, { required: ['email'] }] }],
  if: { properties: { contactMethod: { const: 'phone' } }, required: ['contactMethod'] },
  // biome-ignore lint/suspicious/noThenProperty: the keyword of JSON Schema.
  then: { required: ['phone'] },
  else: { required: ['email'] },
  additionalProperties: false,
}

const ASKING: Readonly<Record<string, FixtureTool>> = {
  test_sampling: {
    inputSchema: schemaOf({ prompt: { type: 'string' } }),
    async run({ prompt }, { mcpReq }) {
      const messages = [{ role: 'user' as const, content: { type: 'text', text: String(prompt) } }]
      const params = { messages, maxTokens: 100 }
      const { content } = await mcpReq.send({ method: 'sampling/createMessage', params })
      return text(`LLM response: ${'text' in content ? content.text : ''}`)
    },
  },
  test_elicitation: {
    inputSchema: schemaOf({ message: { type: 'string' } }),
    run: ({ message }, context) => {
      const properties = { username: { type: 'string' }, email: { type: 'string' } }
      const requestedSchema = schemaOf(properties)
      return elicit(context, { message, requestedSchema }, 'User response')
    },
  },
  test_elicitation_sep1034_defaults: {
    run: (_args, context) => {
      const properties = {
        name: { type: 'string', default: 'John Doe' },
        age: { type: 'integer', default: 30 },
        score: { type: 'number', default: 95.5 },
        status: { type: 'string', enum: ['active', 'inactive', 'pending'], default: 'active' },
        verified: { type: 'boolean', default: true },
      }
      const requestedSchema = { type: 'object', properties, required: [] }
      return elicit(context, { message: 'Defaults?', requestedSchema }, 'Elicitation completed')
    },
  },
  test_elicitation_sep1330_enums: {
    run: (_args, context) => {
      const titled = (word: string) =>
        ['First', 'Second', 'Third'].map((title, i) => ({
          const: `value${i + 1}`,
          title: `${title} ${word}`,
        }))
      const plain = ['option1', 'option2', 'option3']
      const properties = {
        untitledSingle: { type: 'string', enum: plain },
        titledSingle: { type: 'string', oneOf: titled('Option') },
        legacyEnum: {
          type: 'string',
          enum: ['opt1', 'opt2', 'opt3'],
          enumNames: ['Option One', 'Option Two', 'Option Three'],
        },
        untitledMulti: { type: 'array', items: { type: 'string', enum: plain } },
        titledMulti: { type: 'array', items: { anyOf: titled('Choice') } },
      }
      const requestedSchema = { type: 'object', properties, required: [] }
      return elicit(context, { message: 'Which?', requestedSchema }, 'Elicitation completed')
    },
  },
}

async function elicit({ mcpReq }: ServerContext, params: object, words: string) {
  const answer = await mcpReq.send({ method: 'elicitation/create', params: { ...params } })
  const content = JSON.stringify('content' in answer ? answer.content : {})
  return text(`${words}: action=${answer.action}, content=${content}`)
}

const name = schemaOf({ name: { type: 'string' } })
const form = (message: string, requestedSchema: object = name) => {
  return inputRequired.elicit({ message, requestedSchema: requestedSchema as never })
}
const sample = (words: string, maxTokens: number) => {
  const messages = [{ role: 'user' as const, content: { type: 'text' as const, text: words } }]
  return inputRequired.createMessage({ messages, maxTokens })
}

/** Asks until every answer is there, then says `done`. */
function asking(wanted: InputRequests, done: (given: Args) => string): FixtureTool {
  return {
    run(_args, { mcpReq }) {
      const given = mcpReq.inputResponses ?? {}
      const missing = Object.keys(wanted).some((key) => !isAnswer(given[key]))
      return missing ? inputRequired({ inputRequests: wanted }) : text(done(given))
    },
  }
}

function isAnswer(given: unknown): boolean {
  return typeof given === 'object' && given !== null
}

/** Asks one thing in each round; where it stands is in the state, which nobody else can write. */
function rounds(questions: readonly InputRequests[], done: string): FixtureTool {
  return {
    async run(_args, context) {
      const { mcpReq } = context
      const sent = mcpReq.requestState<string>()
      const { round } = sent === undefined ? { round: 0 } : await verified(sent, context)
      const before = questions[round - 1]
      const answered =
        before === undefined ||
        Object.keys(before).every((key) => isAnswer(mcpReq.inputResponses?.[key]))
      const at = answered ? round : round - 1
      const inputRequests = questions[at]
      if (inputRequests === undefined) return text(done)
      return inputRequired({
        inputRequests,
        requestState: await states.mint({ round: at + 1 }, context),
      })
    },
  }
}

async function verified(sent: string, context: ServerContext): Promise<{ round: number }> {
  try {
    return await states.verify(sent, context)
  } catch {
    throw new ProtocolError(-32_602, 'requestState is not what this server gave')
  }
}

const ok = schemaOf({ ok: { type: 'boolean' } })
const confirm = { confirm: form('Please confirm', ok) }

const ROUNDS: Readonly<Record<string, FixtureTool>> = {
  test_input_required_result_elicitation: asking(
    { user_name: form('What is your name?') },
    (given) => `Hello, ${String(acceptedContent(given, 'user_name')?.name)}!`,
  ),
  test_input_required_result_sampling: asking(
    { capital_question: sample('What is the capital of France?', 100) },
    (given) => JSON.stringify(given.capital_question),
  ),
  test_input_required_result_list_roots: asking(
    { client_roots: inputRequired.listRoots() },
    (given) => JSON.stringify(given.client_roots),
  ),
  test_input_required_result_request_state: rounds([confirm], 'state-ok'),
  test_input_required_result_tampered_state: rounds([confirm], 'state-ok'),
  test_input_required_result_multiple_inputs: rounds(
    [
      {
        user_name: form('What is your name?'),
        greeting: sample('Generate a greeting', 50),
        client_roots: inputRequired.listRoots(),
      },
    ],
    'all answered',
  ),
  test_input_required_result_multi_round: rounds(
    [
      { step1: form('Step 1: What is your name?') },
      {
        step2: form(
          'Step 2: What is your favorite color?',
          schemaOf({ color: { type: 'string' } }),
        ),
      },
    ],
    'both answered',
  ),
  test_input_required_result_capabilities: {
    run(_args, context) {
      const declared = capabilitiesOf(context)
      const inputRequests = {
        ...(declared.elicitation !== undefined && { name: form('What is your name?') }),
        ...(declared.sampling !== undefined && { greeting: sample('Generate a greeting', 50) }),
      }
      return inputRequired({ inputRequests })
    },
  },
  test_streaming_elicitation: asking({ user_name: form('What is your name?') }, () => 'done'),
}

/** Every tool by its name. */
export function fixtureTools(changed: Changed): Readonly<Record<string, FixtureTool>> {
  const change = (list: 'tools' | 'prompts'): FixtureTool => ({
    run() {
      changed(list)
      return text(`${list} changed`)
    },
  })
  return {
    ...PLAIN,
    ...ASKING,
    ...ROUNDS,
    json_schema_2020_12_tool: { inputSchema: KEYWORDS, run: () => text('done') },
    test_trigger_tool_change: change('tools'),
    test_trigger_prompt_change: change('prompts'),
  }
}

function schemaOf(properties: Readonly<Record<string, object>>) {
  return { type: 'object' as const, properties, required: Object.keys(properties) }
}
