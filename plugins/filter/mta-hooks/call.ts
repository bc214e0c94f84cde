/**
 * The client side: filters that speak MTA Hooks are called with each message, and their changes applied.
 *
 * Invariants: a filter sees the changes of earlier filters; every wait has a timeout and every response a size; a
 * filter that fails has the configured effect and never becomes an acceptance by itself.
 */
import {
  defer,
  type HookContext,
  type Message,
  type RawField,
  type ReadableMessage,
  refuse,
  splitContent,
  type Verdict,
} from 'iems'
import { applyTo, type Change, ourField, written } from '../milter/api.ts'
import type { CalledHook } from './options.ts'
import { type HookResponse, type Modification, response as responseSchema } from './protocol.ts'

const MAX_RESPONSE = 64 * 1024 * 1024
const MAX_HEADER = 4_194_304
const UNAVAILABLE = defer(451, '4.7.1', 'A filter is unavailable, try again later')

interface Outcome {
  readonly fields: readonly RawField[]
  readonly body: Buffer | undefined
  readonly changes: readonly Change[]
}

export class HookCalls {
  readonly #hooks: readonly CalledHook[]
  readonly #outcomes = new WeakMap<object, Outcome>()

  constructor(hooks: readonly CalledHook[]) {
    this.#hooks = hooks
  }

  async check(message: ReadableMessage, { state, note, log, signal }: HookContext): Promise<Verdict | undefined> {
    if (this.#hooks.length === 0) return undefined
    const split = await splitContent(message.open(), MAX_HEADER)
    if (!split) return refuse(552, '5.3.4', 'The header is too long for a filter')
    let { fields } = split
    let body: Buffer = Buffer.concat(await Array.fromAsync(split.body))
    let held: string | undefined
    let isReplaced = false
    const changes: Change[] = []
    for (const hook of this.#hooks) {
      let answer: HookResponse
      try {
        answer = await ask(hook, requestFor(message, fields, body), signal)
      } catch (cause) {
        log.warn('an MTA hook failed', { hook: hook.name, cause })
        note(hook.name, 'unavailable')
        if (hook.whenDown === 'skip') continue
        return UNAVAILABLE
      }
      if (answer.action === 'reject') return refusalOf(answer)
      if (answer.action === 'discard') return { kind: 'discard', reason: `the filter ${hook.name}` }
      if (answer.action === 'quarantine') held ??= `the filter ${hook.name}`
      const list = answer.modifications.flatMap(changeOf)
      fields = applyTo(fields, { list, body: undefined })
      changes.push(...list)
      const replaced = answer.modifications.findLast((one) => one.type === 'replaceContents')
      if (replaced?.type !== 'replaceContents') continue
      body = Buffer.from(replaced.value.replace(/\r?\n/g, '\r\n'))
      isReplaced = true
    }
    if (changes.length > 0 || isReplaced)
      this.#outcomes.set(state, { fields, body: isReplaced ? body : undefined, changes })
    return held === undefined ? undefined : { kind: 'quarantine', reason: held }
  }

  async modify(message: Message, { state }: HookContext): Promise<void> {
    const outcome = this.#outcomes.get(state)
    if (!outcome) return
    for (const change of outcome.changes) {
      if (change.kind === 'sender') message.setSender(change.address)
      if (change.kind === 'add-recipient') message.addRecipient(change.address)
      if (change.kind === 'remove-recipient') message.removeRecipient(change.address)
    }
    if (outcome.body || outcome.changes.some((change) => 'name' in change))
      await message.replaceContent(contentOf(message, outcome))
  }
}

async function* contentOf(message: Message, { fields, body }: Outcome): AsyncGenerator<Uint8Array> {
  yield Buffer.from(`${written(fields)}\r\n`, 'latin1')
  if (body) return yield body
  const split = await splitContent(message.open(), MAX_HEADER)
  if (!split) throw new Error('the header has grown beyond its limit since it was filtered')
  yield* split.body
}

function requestFor({ id, session, from, recipients }: ReadableMessage, fields: readonly RawField[], body: Buffer) {
  const { remote, helo, tls, identity, local } = session
  const ours = ourField(fields)
  return {
    context: {
      stage: 'data',
      client: {
        ip: remote.address,
        port: remote.port ?? 0,
        ptr: remote.name ?? null,
        helo: helo ?? null,
        activeConnections: 1,
      },
      ...(identity ? { sasl: { login: identity.user } } : {}),
      ...(tls ? { tls: { version: tls.version, cipher: tls.cipher } } : {}),
      server: { name: 'IEMS', port: local?.port ?? 25, ip: local?.address ?? null },
      queue: { id },
      protocol: { version: 1 },
    },
    envelope: { from: { address: from }, to: recipients.map(({ original }) => ({ address: original })) },
    message: {
      headers: fields.flatMap(({ name, value }, at) =>
        at === ours ? [] : [[name, Buffer.from(value, 'latin1').toString()]],
      ),
      contents: body.toString(),
      size: body.length,
    },
  }
}

async function ask(
  { url, user, password, timeout }: CalledHook,
  body: object,
  signal: AbortSignal,
): Promise<HookResponse> {
  const authorization =
    user === undefined
      ? {}
      : { authorization: `Basic ${Buffer.from(`${user}:${password?.reveal() ?? ''}`).toString('base64')}` }
  const answer = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...authorization },
    body: JSON.stringify(body),
    redirect: 'error',
    signal: AbortSignal.any([signal, AbortSignal.timeout(timeout)]),
  })
  if (!answer.ok) throw new Error(`it answered ${answer.status}`)
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of answer.body ?? []) {
    size += chunk.byteLength
    if (size > MAX_RESPONSE) throw new Error('its answer is too long')
    chunks.push(chunk)
  }
  return responseSchema.parse(JSON.parse(Buffer.concat(chunks).toString()))
}

function refusalOf({ response }: HookResponse): Verdict {
  const { status, enhanced_status: enhanced, message } = response ?? {}
  const text = (message ?? 'Refused by a filter').replace(/[\r\n]+/g, ' ')
  const isPlain = (digit: 4 | 5) => Math.floor((status ?? 0) / 100) === digit && (status ?? 0) % 100 < 60
  const status4 = /^4\.\d{1,3}\.\d{1,3}$/.test(enhanced ?? '') ? (enhanced as `4.${number}.${number}`) : '4.7.1'
  const status5 = /^5\.\d{1,3}\.\d{1,3}$/.test(enhanced ?? '') ? (enhanced as `5.${number}.${number}`) : '5.7.1'
  if (isPlain(4)) return defer(status as 451, status4, text)
  return isPlain(5) ? refuse(status as 550, status5, text) : refuse(550, '5.7.1', text)
}

function changeOf(change: Modification): Change[] {
  switch (change.type) {
    case 'changeFrom':
      return [{ kind: 'sender', address: change.value }]
    case 'addRecipient':
      return [{ kind: 'add-recipient', address: change.value }]
    case 'deleteRecipient':
      return [{ kind: 'remove-recipient', address: change.value }]
    case 'addHeader':
      return [{ kind: 'add-header', name: change.name, value: octets(change.value) }]
    case 'insertHeader':
      return [{ kind: 'insert-header', at: change.index, name: change.name, value: octets(change.value) }]
    case 'changeHeader':
      return [{ kind: 'change-header', at: change.index, name: change.name, value: octets(change.value) }]
    case 'deleteHeader':
      return [{ kind: 'change-header', at: change.index, name: change.name, value: '' }]
    default:
      return []
  }
}

/** As it follows the colon, one character for each octet. */
const octets = (value: string) => Buffer.from(/^[ \t]/.test(value) ? value : ` ${value}`).toString('latin1')
