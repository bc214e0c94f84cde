/**
 * The description of all JSON routes by OpenAPI 3.1, made from their schemas (Standard JSON Schema).
 */
import type { Registered } from './routes.ts'

type Json = Readonly<Record<string, unknown>>

/** A schema as JSON Schema, where its library can say it. */
function schemaOf(schema: unknown, direction: 'input' | 'output'): Json | undefined {
  const standard = (schema as { '~standard'?: { jsonSchema?: Record<string, (options: Json) => Json> } } | undefined)?.[
    '~standard'
  ]?.jsonSchema
  try {
    return standard?.[direction]?.({ target: 'draft-2020-12' })
  } catch {
    // Such as a transformation, which has no JSON Schema.
    return {}
  }
}

const pathOf = (path: string) => path.replace(/:([A-Za-z0-9_]+)/g, '{$1}')

function parametersOf(schema: unknown, place: 'path' | 'query'): Json[] {
  const { properties = {}, required = [] } = (schemaOf(schema, 'input') ?? {}) as {
    properties?: Record<string, Json>
    required?: string[]
  }
  return Object.entries(properties).map(([name, one]) => ({
    name,
    in: place,
    required: place === 'path' || required.includes(name),
    schema: one,
  }))
}

const content = (schema: Json | undefined) => ({ content: { 'application/json': { schema: schema ?? {} } } })

export function describeApi(routes: readonly Registered[], version: string): Json {
  const paths: Record<string, Record<string, Json>> = {}
  for (const one of routes) {
    if (one.kind !== 'json' && one.kind !== 'stream' && one.kind !== 'events') continue
    const { path, summary, who, params, query, fresh } = one.route
    const method = one.kind === 'events' ? 'get' : one.route.method.toLowerCase()
    const body = one.kind === 'json' ? schemaOf(one.route.body, 'input') : undefined
    const answer = one.kind === 'json' ? schemaOf(one.route.answer, 'output') : undefined
    const at = pathOf(path)
    paths[at] = {
      ...paths[at],
      [method]: {
        summary,
        parameters: [...parametersOf(params, 'path'), ...parametersOf(query, 'query')],
        ...(body ? { requestBody: { required: true, ...content(body) } } : {}),
        responses: {
          '200': { description: 'Done', ...(one.kind === 'json' ? content(answer) : {}) },
          default: { description: 'Refused (RFC 9457)', content: { 'application/problem+json': {} } },
        },
        ...(who === 'anyone' ? {} : { security: [{ cookie: [] }, { basic: [] }, { bearer: [] }], 'x-who': who }),
        ...(fresh ? { 'x-fresh': true } : {}),
      },
    }
  }
  return {
    openapi: '3.1.0',
    info: { title: 'IEMS', version },
    paths,
    components: {
      securitySchemes: {
        cookie: { type: 'apiKey', in: 'cookie', name: '__Host-iems' },
        basic: { type: 'http', scheme: 'basic' },
        bearer: { type: 'http', scheme: 'bearer' },
      },
    },
  }
}
