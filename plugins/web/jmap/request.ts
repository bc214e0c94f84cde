/**
 * An API request (RFC 8620 section 3.3): runs its method calls in order.
 *
 * Invariants: a failed call does not affect the others; a fault is `serverFail` without a reason; the size of a request
 * is checked before anything runs.
 */
import { setImmediate as turn } from 'node:timers/promises'
import type { StandardSchemaV1 } from '@standard-schema/spec'
import type { Log } from 'iems'
import { type JmapCall, type Method, MoreResponses } from './api.ts'
import { MethodError, requestError } from './errors.ts'
import { type Response, resolveReferences } from './references.ts'

export interface Request {
  readonly using: readonly string[]
  readonly methodCalls: readonly (readonly [name: string, given: Readonly<Record<string, unknown>>, id: string])[]
  readonly createdIds?: Readonly<Record<string, string>>
}

export interface RequestDeps {
  readonly methods: ReadonlyMap<string, Method>
  readonly capabilities: ReadonlySet<string>
  readonly maxCalls: number
  readonly log: Log
}

const MAX_RESPONSES_BYTES = 64 * 1024 * 1024
const MAX_DEPTH = 64

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** Whether a value is nested deeper than any that a method takes: code that walks it may recurse. */
function isTooDeep(value: unknown, left = MAX_DEPTH): boolean {
  if (typeof value !== 'object' || value === null) return false
  if (left === 0) return true
  return Object.values(value).some((one) => isTooDeep(one, left - 1))
}

/** Parses a request. Throws a request-level error. */
export function readRequest(
  text: string,
  { maxCalls, capabilities }: Pick<RequestDeps, 'maxCalls' | 'capabilities'>,
): Request {
  let given: unknown
  try {
    given = JSON.parse(text)
  } catch {
    throw requestError('notJSON', 'The request is not JSON')
  }
  const isRequest =
    isObject(given) &&
    Array.isArray(given.using) &&
    given.using.every((one) => typeof one === 'string') &&
    Array.isArray(given.methodCalls) &&
    given.methodCalls.every(isInvocation) &&
    (given.createdIds === undefined ||
      (isObject(given.createdIds) && Object.values(given.createdIds).every((one) => typeof one === 'string')))
  if (!isRequest || isTooDeep(given)) throw requestError('notRequest', 'The JSON is no JMAP request')
  const request = given as unknown as Request
  for (const one of request.using)
    if (!capabilities.has(one)) throw requestError('unknownCapability', `The server does not have ${one.slice(0, 200)}`)
  if (request.methodCalls.length > maxCalls)
    throw requestError('limit', `A request has at most ${maxCalls} method calls`, { limit: 'maxCallsInRequest' })
  return request
}

const isInvocation = (one: unknown): boolean =>
  Array.isArray(one) && one.length === 3 && typeof one[0] === 'string' && isObject(one[1]) && typeof one[2] === 'string'

/** The `methodResponses` of a request. */
export async function runRequest(
  { methodCalls, using }: Request,
  call: JmapCall,
  deps: RequestDeps,
): Promise<readonly (readonly [string, object, string])[]> {
  const responses: Response[] = []
  let octets = 0
  for (const [name, given, id] of methodCalls) {
    if (call.signal.aborted) throw call.signal.reason
    for (const response of await invoke({ name, given, id }, { call, responses, using, deps })) {
      octets += octets > MAX_RESPONSES_BYTES ? 0 : JSON.stringify(response.given).length
      responses.push(
        octets > MAX_RESPONSES_BYTES
          ? { name: 'error', given: { type: 'requestTooLarge', description: 'The response would be too large' }, id }
          : response,
      )
    }
    // A request of cheap calls lets others run between them.
    await turn()
  }
  return responses.map(({ name, given, id }) => [name, given, id])
}

interface Around {
  readonly call: JmapCall
  readonly responses: readonly Response[]
  readonly using: readonly string[]
  readonly deps: RequestDeps
}

interface Invocation {
  readonly name: string
  readonly given: Readonly<Record<string, unknown>>
  readonly id: string
}

async function invoke({ name, given, id }: Invocation, { call, responses, using, deps }: Around): Promise<Response[]> {
  try {
    const method = deps.methods.get(name)
    if (!method || !using.includes(method.capability)) throw new MethodError('unknownMethod')
    const read = await argumentsOf(method, resolveReferences(given, responses))
    const answer = await method.run(read, call)
    if (!(answer instanceof MoreResponses)) return [{ name, given: answer, id }]
    return [
      { name, given: answer.first, id },
      ...answer.further.map(([more, also]) => ({ name: more, given: also, id })),
    ]
  } catch (cause) {
    if (cause instanceof MethodError) return [{ name: 'error', given: { type: cause.type, ...cause.more }, id }]
    if (call.signal.aborted) throw cause
    deps.log.error('a JMAP method failed', { method: name, cause })
    return [{ name: 'error', given: { type: 'serverFail', description: 'The server could not do this' }, id }]
  }
}

async function argumentsOf(method: Method, given: Readonly<Record<string, unknown>>): Promise<unknown> {
  const result = await (method.arguments as StandardSchemaV1)['~standard'].validate(given)
  if (!result.issues) return result.value
  const [{ message, path = [] } = { message: 'wrong' }] = result.issues
  const at = path.map((part) => String(typeof part === 'object' ? part.key : part)).join('/')
  throw new MethodError('invalidArguments', at === '' ? message : `${at}: ${message}`, {
    arguments: at === '' ? [] : [at.split('/')[0]],
  })
}
