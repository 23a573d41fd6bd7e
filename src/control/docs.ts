/**
 * The interactive documentation at `/docs`, made when somebody first asks for it.
 *
 * It is a page of the package, with its scripts and styles, and the OpenAPI document: the same for
 * every node of a version, with nothing of this one. A browser sends no token when it opens a page,
 * so these paths go without; what the page then calls wants the token, typed in by "Authorize".
 */

import type { IncomingMessage, ServerResponse } from 'node:http'
import type { StaticDocumentSpec } from '@fastify/swagger'
import type { FastifyInstance } from 'fastify'

const PREFIX = '/docs'

/** Every path of the page: none is reached by pattern. */
export const DOCS_PATHS: readonly string[] = [
  '',
  '/',
  '/json',
  '/static/swagger-ui.css',
  '/static/index.css',
  '/static/swagger-ui-bundle.js',
  '/static/swagger-ui-standalone-preset.js',
  '/static/swagger-initializer.js',
  '/static/favicon-32x32.png',
  '/static/favicon-16x16.png',
].map((path) => `${PREFIX}${path}`)

/** What the page may do: run and load what came with it, ask this node, and nothing else. */
const CSP = {
  'default-src': "'none'",
  'script-src': "'self'",
  'style-src': "'self'",
  'img-src': "'self' data:",
  'connect-src': "'self'",
  'form-action': "'none'",
  'base-uri': "'none'",
  'frame-ancestors': "'none'",
}

/** As the plugin of the page takes it. */
export type DocsDocument = StaticDocumentSpec['document']

export class Docs {
  readonly #documentOf: () => DocsDocument
  #app: Promise<FastifyInstance> | undefined

  /** `documentOf` makes the OpenAPI document that the page shows. */
  constructor(documentOf: () => DocsDocument) {
    this.#documentOf = documentOf
  }

  async handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const app = await this.#page()
    app.routing(request, response)
  }

  /** Made once; after a failure, which may have been one of the disk, made anew. */
  #page(): Promise<FastifyInstance> {
    this.#app ??= createPage(this.#documentOf()).catch((error: unknown) => {
      this.#app = undefined
      throw error
    })
    return this.#app
  }

  async close(): Promise<void> {
    const app = await this.#app?.catch(() => undefined)
    await app?.close()
  }
}

async function createPage(document: DocsDocument): Promise<FastifyInstance> {
  const { fastify } = await import('fastify')
  const { default: swagger } = await import('@fastify/swagger')
  const { default: page } = await import('@fastify/swagger-ui')
  const app = fastify({ logger: false, exposeHeadRoutes: false })
  app.addHook('onSend', async (_request, reply) => {
    reply.headers({ 'x-content-type-options': 'nosniff', 'referrer-policy': 'no-referrer' })
  })
  await app.register(swagger, { mode: 'static', specification: { document } })
  await app.register(page, {
    routePrefix: PREFIX,
    staticCSP: CSP,
    theme: { title: 'p2p-foundation node: API' },
    // Without the bar at the top, which loads documents from elsewhere.
    uiConfig: {
      layout: 'BaseLayout',
      docExpansion: 'list',
      tryItOutEnabled: true,
      displayRequestDuration: true,
    },
  })
  await app.ready()
  return app
}
