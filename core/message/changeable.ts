/**
 * A message that `modify` taps change. It may be split into several, each with its own recipients and, once changed,
 * its own content.
 *
 * Invariants: each recipient belongs to exactly one of them; shared content is removed with the last that uses it.
 */
import type { Message, Recipient } from '../api/hooks.ts'
import { createHeaders } from './headers.ts'
import { createMessage, type MessageDeps } from './message.ts'

/** Received content with its initial edits. */
export type ChangeableContent = Pick<MessageDeps, 'body' | 'header' | 'edits'>

/** The current state of one of the messages. */
export interface Part<C extends ChangeableContent> {
  readonly message: Message
  readonly content: C
  /** An added or replaced recipient is a new object. */
  readonly deps: MessageDeps
}

export interface PartsDeps<C extends ChangeableContent> {
  /** Stores replacement content. */
  replace(source: AsyncIterable<Uint8Array>): Promise<C>
  discard(content: C): Promise<void>
  /** The channel that a recipient's mail is routed to. */
  channelOf?(recipient: Recipient): string | undefined
  /** Starts another message: its id and its findings, which begin with those of `from`. */
  begin(from: Message): Pick<MessageDeps, 'id' | 'findings'>
}

/** All messages that one was split into, the original first. */
export interface Parts<C extends ChangeableContent> {
  list(): readonly Part<C>[]
}

interface State<C extends ChangeableContent> {
  content: C
  deps: MessageDeps
  inner: ReturnType<typeof createMessage>
  headers: Message['headers']
  message: Message
}

type Group<C extends ChangeableContent> = PartsDeps<C> & { readonly all: State<C>[] }

const isFor = (address: string) => (one: Recipient) => one.address === address || one.original === address

function withRecipient(recipients: readonly Recipient[], address: string): readonly Recipient[] {
  return recipients.some(isFor(address)) ? recipients : [...recipients, { address, original: address }]
}

/** Replaces one address among the recipients without adding a duplicate. */
function replaced(recipients: readonly Recipient[], address: string, by: string): readonly Recipient[] {
  const others = recipients.filter((one) => !isFor(address)(one))
  if (others.some((one) => one.address === by)) return others
  return recipients.map((one) => (isFor(address)(one) ? { ...one, address: by } : one))
}

function update<C extends ChangeableContent>(state: State<C>, changes: Partial<MessageDeps>): void {
  state.deps = { ...state.deps, ...changes }
  if (!changes.edits) return
  state.inner = createMessage(state.deps)
  state.headers = createHeaders(state.deps.header, state.deps.edits)
}

function add<C extends ChangeableContent>(group: Group<C>, content: C, deps: MessageDeps): State<C> {
  const state = { content } as State<C>
  update(state, deps)
  state.message = messageOf(group, state)
  group.all.push(state)
  return state
}

async function replaceContent<C extends ChangeableContent>(
  group: Group<C>,
  state: State<C>,
  source: AsyncIterable<Uint8Array>,
): Promise<void> {
  const before = state.content
  state.content = await group.replace(source)
  const { body, header, edits } = state.content
  update(state, { body, header, edits })
  if (!group.all.some(({ content }) => content === before)) await group.discard(before)
}

function split<C extends ChangeableContent>(group: Group<C>, state: State<C>, some: readonly Recipient[]): Message {
  const wanted = new Set(some.map(({ address }) => address))
  const goes = state.deps.recipients.filter(({ address }) => wanted.has(address))
  if (goes.length === 0) throw new TypeError('split is given recipients of the message')
  if (goes.length === state.deps.recipients.length) return state.message
  const { edits } = state.deps
  const begun = group.begin(state.message)
  const other = add(group, state.content, {
    ...state.deps,
    ...begun,
    recipients: goes,
    edits: { prefix: edits.prefix, cuts: [...edits.cuts] },
  })
  update(state, { recipients: state.deps.recipients.filter((one) => !goes.includes(one)) })
  return other.message
}

function messageOf<C extends ChangeableContent>(group: Group<C>, state: State<C>): Message {
  const { id, session, parameters, priority } = state.deps
  const setRecipients = (recipients: readonly Recipient[]) => update(state, { recipients })
  return {
    id,
    session,
    parameters,
    priority,
    get from() {
      return state.deps.from
    },
    get recipients() {
      return state.deps.recipients
    },
    get findings() {
      return state.deps.findings()
    },
    get size() {
      return state.inner.size
    },
    get headers() {
      return state.headers
    },
    open: (range) => state.inner.open(range),
    parse: () => state.inner.parse(),
    replaceContent: (source) => replaceContent(group, state, source),
    setSender: (from) => update(state, { from }),
    addRecipient: (address) => setRecipients(withRecipient(state.deps.recipients, address)),
    removeRecipient: (address) => setRecipients(state.deps.recipients.filter((one) => !isFor(address)(one))),
    replaceRecipient: (address, by) => setRecipients(replaced(state.deps.recipients, address, by)),
    split: (some) => split(group, state, some),
    channelOf: (recipient) => group.channelOf?.(recipient),
  }
}

/** Starts with a single message. */
export function createParts<C extends ChangeableContent>(deps: PartsDeps<C>, content: C, first: MessageDeps): Parts<C> {
  const group: Group<C> = { ...deps, all: [] }
  add(group, content, first)
  return { list: () => group.all }
}
