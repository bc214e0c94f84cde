/**
 * Error responses: RFC 9457 for programs, a short page for people.
 */
import type { StandardSchemaV1 } from '@standard-schema/spec'
import { HttpProblem } from './api.ts'

const MAX_ISSUES = 20

/** Validates a value. Throws a problem with every issue and its path. */
export async function validated(schema: StandardSchemaV1 | undefined, value: unknown, what: string): Promise<unknown> {
  if (schema === undefined) return undefined
  const result = await schema['~standard'].validate(value)
  if (!result.issues) return result.value
  const errors = result.issues.slice(0, MAX_ISSUES).map(({ message, path = [] }) => ({
    at: [what, ...path.map((part) => String(typeof part === 'object' ? part.key : part))].join('.'),
    message,
  }))
  throw new HttpProblem(400, `The ${what} of the request cannot be used: ${errors[0]?.at}: ${errors[0]?.message}`, {
    errors,
  })
}

const TITLES: Readonly<Record<number, string>> = {
  400: 'Bad Request',
  401: 'Unauthorized',
  403: 'Forbidden',
  404: 'Not Found',
  405: 'Method Not Allowed',
  409: 'Conflict',
  412: 'Precondition Failed',
  413: 'Content Too Large',
  415: 'Unsupported Media Type',
  416: 'Range Not Satisfiable',
  422: 'Unprocessable Content',
  429: 'Too Many Requests',
  500: 'Internal Server Error',
  503: 'Service Unavailable',
}

export const titleOf = (status: number): string => TITLES[status] ?? 'Error'

export const problemOf = ({ status, message, more }: HttpProblem): Record<string, unknown> => ({
  type: 'about:blank',
  title: titleOf(status),
  status,
  detail: message,
  ...more,
})
