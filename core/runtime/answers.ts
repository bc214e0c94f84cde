/**
 * Checks the answers of hooks at run time, because plugins in JavaScript have no types.
 *
 * Invariants: an answer of the wrong shape is a fault of its plugin, never an acceptance and never a fault of the code
 * that reads it. `undefined` is "no opinion" and is handled before.
 */
import type { HookName, Outcome } from '../api/hooks.ts'
import { isReply } from '../api/reply.ts'

type Fields = Readonly<Record<string, unknown>>
type Check = (answer: unknown) => boolean

const isObject = (value: unknown): value is Fields => typeof value === 'object' && value !== null
const isText = (value: unknown): value is string => typeof value === 'string'
const kindOf = (value: unknown) => (isObject(value) ? value.kind : undefined)

const isRefusal: Check = (value) => isObject(value) && value.kind === 'refuse' && isReply(value.reply, [4, 5])
const isRoute: Check = (value) => isObject(value) && isText(value.channel) && isText(value.nexthop)
const isRecipient: Check = (value) => isObject(value) && isText(value.address) && isText(value.original)
const isRecipientLike: Check = (value) => isObject(value) && isText(value.address)
const isIdentity: Check = (value) =>
  isObject(value) &&
  value.kind === 'identity' &&
  isText(value.user) &&
  typeof value.mayRelay === 'boolean' &&
  (value.roles === undefined || (Array.isArray(value.roles) && value.roles.every(isText)))
const isVerifier: Check = (value) =>
  isObject(value) &&
  value.kind === 'verifier' &&
  typeof value.iterations === 'number' &&
  [value.salt, value.storedKey, value.serverKey].every((part) => part instanceof Uint8Array) &&
  isIdentity(value.identity)

const isVerdict: Check = (value) =>
  isRefusal(value) ||
  (isObject(value) && ['discard', 'quarantine'].includes(String(value.kind)) && isText(value.reason))

const isRecipientVerdict: Check = (value) =>
  isVerdict(value) && isObject(value) && Array.isArray(value.recipients) && value.recipients.every(isRecipientLike)

const isDisposition: Check = (value) => {
  if (!isObject(value)) return false
  if (value.kind === 'reroute') return isRoute(value.route)
  if (value.kind === 'fail') return isReply(value.reply, [5])
  return (
    value.kind === 'postpone' && value.until instanceof Date && isReply(value.reply, [4]) && !Number.isNaN(+value.until)
  )
}

const isBounce: Check = (value) =>
  isObject(value) && [value.subject, value.text].every(isText) && isText(value.to) && isAddressLine(value.to)

/** It becomes a header field. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are the forbidden characters
const isAddressLine = (text: string) => text.length <= 320 && !/[\x00-\x1f\x7f<>]/.test(text)

/** These hooks ignore answers, so a value that a short arrow function returns by accident is no fault. */
const isNoVerdict: Check = (value) => kindOf(value) === undefined

const CHECKS: Readonly<Partial<Record<HookName, { readonly is: Check; readonly may: string }>>> = {
  connect: { is: isRefusal, may: 'refuse(…), defer(…) or nothing' },
  helo: { is: isRefusal, may: 'refuse(…), defer(…) or nothing' },
  mail: { is: isRefusal, may: 'refuse(…), defer(…) or nothing' },
  rcpt: { is: isRefusal, may: 'refuse(…), defer(…) or nothing' },
  auth: {
    is: (value) => isIdentity(value) || isVerifier(value) || isRefusal(value),
    may: 'an identity, a verifier, a refusal or nothing',
  },
  reidentify: { is: (value) => isIdentity(value) || isRefusal(value), may: 'an identity, a refusal or nothing' },
  authorize: { is: (value) => isIdentity(value) || isRefusal(value), may: 'an identity, a refusal or nothing' },
  check: {
    is: (value) => (Array.isArray(value) ? value.every(isRecipientVerdict) : isVerdict(value)),
    may: "refuse(…), defer(…), { kind: 'discard' | 'quarantine', reason }, a list of these with recipients, or nothing",
  },
  modify: { is: isNoVerdict, may: 'nothing: refuse in check' },
  expand: {
    is: (value) => isRefusal(value) || (Array.isArray(value) && value.every(isRecipient)),
    may: 'a list of recipients, a refusal or nothing',
  },
  route: { is: isRoute, may: '{ channel, nexthop } or nothing' },
  queued: { is: isNoVerdict, may: 'nothing' },
  dispatch: { is: isDisposition, may: "{ kind: 'postpone' | 'fail' | 'reroute', … } or nothing" },
  settled: { is: isNoVerdict, may: 'nothing' },
  bounce: { is: isBounce, may: 'a bounce or nothing' },
}

const STATUSES: readonly unknown[] = ['delivered', 'deferred', 'failed']

/** Whether a channel's value is an outcome. The reply may be of any class: it is a remote server's. */
export function isOutcome(value: unknown): value is Outcome {
  if (!isObject(value) || !isObject(value.reply) || !isRecipientLike(value.recipient)) return false
  return STATUSES.includes(value.status) && isText(value.reply.text) && typeof value.reply.code === 'number'
}

/** Throws a TypeError when this hook does not allow the answer. */
export function checkAnswer(hook: string, answer: unknown): void {
  const check = CHECKS[hook as HookName]
  if (!check || check.is(answer)) return
  throw new TypeError(`the answer of ${hook} must be ${check.may}, not ${shown(answer)}`)
}

function shown(value: unknown): string {
  try {
    return (JSON.stringify(value) ?? typeof value).slice(0, 200)
  } catch {
    return typeof value
  }
}
