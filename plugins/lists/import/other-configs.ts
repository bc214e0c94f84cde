/**
 * Settings of lists of Sympa (its `config` file) and of LISTSERV (the header of its list file). Pure.
 *
 * Invariants: settings that this server does not have are named, and left out.
 */

import type { ListSettings } from '../settings.ts'
import { parseSize } from './sizes.ts'

type Given = Partial<ListSettings>
export interface ReadConfig {
  readonly settings: Given
  readonly unknown: readonly string[]
}

const addressIn = (text: string) => text.split(/[\s<>"',;]/).find((one) => /^[^@]{1,64}@[^@]{1,255}$/.test(one))

const SYMPA_SUBSCRIBE: Readonly<Record<string, ListSettings['subscribe']>> = {
  open: 'open',
  open_notify: 'open',
  auth: 'confirm',
  auth_notify: 'confirm',
  owner: 'approve',
  auth_owner: 'confirm-approve',
  closed: 'closed',
}
const SYMPA_SEND: Readonly<Record<string, Given>> = {
  public: { post: 'anyone' },
  public_nobcc: { post: 'anyone', explicit: 'yes' },
  private: { post: 'members', nonmembers: 'refuse' },
  privateorpublickey: { post: 'members', nonmembers: 'hold' },
  privateoreditorkey: { post: 'members', nonmembers: 'hold' },
  editorkey: { post: 'moderators', nonmembers: 'hold' },
  editorkeyonly: { post: 'moderators', nonmembers: 'hold' },
  editorkeyonlyauth: { post: 'moderators', nonmembers: 'hold' },
  closed: { post: 'moderators', nonmembers: 'refuse' },
}

/** Paragraphs of lines `name value`; the first line of a paragraph may be a name alone. */
export function readSympaConfig(text: string): ReadConfig {
  let settings: Given = {}
  const unknown = new Set<string>()
  const people: { owner: string[]; editor: string[] } = { owner: [], editor: [] }
  for (const paragraph of text.replaceAll('\r\n', '\n').split(/\n[ \t]*\n/)) {
    const lines = paragraph.split('\n').filter((line) => line.trim() !== '' && !line.startsWith('#'))
    const [name = '', ...rest] = (lines[0] ?? '').trim().split(/\s+/)
    if (name === '') continue
    const fields = new Map(
      lines.slice(1).map((line) => [line.trim().split(/\s+/)[0] ?? '', line.trim().replace(/^\S+\s*/, '')]),
    )
    if (name === 'owner' || name === 'editor') {
      const address = addressIn(fields.get('email') ?? '')
      if (address) people[name].push(address)
      continue
    }
    for (const [one, value] of lines.length > 1 && rest.length > 0
      ? lines.map(pairOf)
      : [[name, rest.join(' ')] as const]) {
      const found = sympa(one, value, fields)
      if (found) settings = { ...settings, ...found }
      else unknown.add(one)
    }
  }
  return {
    settings: {
      ...settings,
      ...(people.owner.length > 0 ? { owners: people.owner } : {}),
      ...(people.editor.length > 0 ? { moderators: people.editor } : {}),
    },
    unknown: [...unknown],
  }
}

const pairOf = (line: string): readonly [string, string] => {
  const [name = '', ...rest] = line.trim().split(/\s+/)
  return [name, rest.join(' ')]
}

function sympa(name: string, value: string, fields: ReadonlyMap<string, string>): Given | undefined {
  switch (name) {
    case 'subject':
      return { description: value.slice(0, 200) }
    case 'subscribe':
      return SYMPA_SUBSCRIBE[value] && { subscribe: SYMPA_SUBSCRIBE[value] }
    case 'unsubscribe':
      return {
        unsubscribe: value.startsWith('open')
          ? 'open'
          : value === 'closed'
            ? 'closed'
            : value.includes('owner')
              ? 'approve'
              : 'confirm',
      }
    case 'send':
      return SYMPA_SEND[value]
    case 'custom_subject':
      return { subjectPrefix: /^\[/.test(value) ? value.slice(0, 100) : `[${value.slice(0, 98)}]` }
    case 'max_size':
      return parseSize(value) === undefined ? undefined : { maxSize: parseSize(value) as number }
    case 'visibility':
      return { advertised: value === 'noconceal' ? 'yes' : 'no' }
    case 'lang':
      return value === 'de' || value === 'fr' || value === 'es' || value.startsWith('en')
        ? { language: value.slice(0, 2) as 'en' }
        : undefined
    case 'reply_to_header':
      return { replyTo: fields.get('value') === 'list' ? 'list' : 'author' }
    case 'archive':
    case 'web_archive':
      return { archive: (fields.get('web_access') ?? fields.get('access')) === 'public' ? 'public' : 'members' }
    case 'digest':
      return { digest: /^[0-6](?:,[0-6]){6}/.test(value) ? 'daily' : 'weekly' }
    default:
      return undefined
  }
}

/** Lines `* Keyword= value, value`; the first line without a keyword is the title. */
export function readListservConfig(text: string): ReadConfig {
  let settings: Given = {}
  const unknown = new Set<string>()
  const people: { owners: string[]; moderators: string[] } = { owners: [], moderators: [] }
  for (const line of text.split(/\r?\n/)) {
    if (!line.startsWith('*')) continue
    const said = line.slice(1).trim()
    const equals = said.indexOf('=')
    if (equals < 0) {
      if (said !== '' && settings.description === undefined) settings = { ...settings, description: said.slice(0, 200) }
      continue
    }
    const name = said.slice(0, equals).trim().toLowerCase()
    const value = said.slice(equals + 1).trim()
    const address = addressIn(value)
    if (name === 'owner' && address) people.owners.push(address)
    else if ((name === 'editor' || name === 'moderator') && address) people.moderators.push(address)
    else {
      const found = listserv(name, value.toLowerCase(), value)
      if (found) settings = { ...settings, ...found }
      else unknown.add(name)
    }
  }
  return {
    settings: {
      ...settings,
      ...(people.owners.length > 0 ? { owners: people.owners } : {}),
      ...(people.moderators.length > 0 ? { moderators: people.moderators } : {}),
    },
    unknown: [...unknown],
  }
}

function listserv(name: string, value: string, given: string): Given | undefined {
  switch (name) {
    case 'subscription':
      return {
        subscribe: value.startsWith('closed')
          ? 'closed'
          : value.startsWith('by')
            ? 'approve'
            : value.includes('confirm')
              ? 'confirm'
              : 'open',
      }
    case 'send':
      if (value.startsWith('public')) return { post: 'anyone' }
      if (value.startsWith('editor') || value.startsWith('owner')) return { post: 'moderators', nonmembers: 'hold' }
      return { post: 'members', nonmembers: 'refuse' }
    case 'reply-to':
      return { replyTo: value.startsWith('list') ? 'list' : 'author' }
    case 'subject-tag':
      return { subjectPrefix: `[${given.replace(/^"|"$/g, '').slice(0, 98)}]` }
    case 'notebook':
      return { archive: !value.startsWith('yes') ? 'none' : value.includes('public') ? 'public' : 'members' }
    case 'confidential':
      return { advertised: value.startsWith('no') ? 'yes' : 'no' }
    case 'sizelim':
      return parseSize(value) === undefined ? undefined : { maxSize: parseSize(value) as number }
    case 'digest':
      return { digest: value.startsWith('no') ? 'none' : value.includes('weekly') ? 'weekly' : 'daily' }
    case 'daily-threshold':
    case 'language':
      return undefined
    default:
      return undefined
  }
}
