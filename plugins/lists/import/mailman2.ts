/**
 * A list of Mailman 2.1 from its `config.pck`: settings, and members with their options. Pure.
 */
import type { MemberOptions } from '../api.ts'
import type { ListSettings } from '../settings.ts'
import type { Fault, NewMember } from './members.ts'
import { type Dict, readPickle } from './pickle.ts'

type Given = Partial<ListSettings>
export interface ReadList {
  readonly settings: Given
  /** Names without effect here. */
  readonly unknown: readonly string[]
  readonly members: readonly (NewMember | Fault)[]
}

/** Bits of `user_options` (Mailman/Defaults.py). */
const NO_DELIVERY = 1
const NOT_OWN = 2
const ACKNOWLEDGE = 4
const PLAIN_DIGEST = 8
const OTHER_TOPICS = 64
const MODERATED = 128
const NO_DUPLICATES = 256

const text = (value: unknown) => (typeof value === 'string' ? value : undefined)
const number = (value: unknown) =>
  typeof value === 'number' && value >= 0 && Number.isFinite(value) ? value : undefined
const line = (value: unknown) => text(value)?.replace(/\s+/g, ' ').trim()
const isOn = (value: unknown) => value === true || (typeof value === 'number' && value !== 0)
const strings = (value: unknown) =>
  Array.isArray(value) ? value.filter((one): one is string => typeof one === 'string') : undefined
const dictOf = (value: unknown): Dict => (value instanceof Map ? value : new Map())
const choice =
  <T>(choices: readonly T[]) =>
  (value: unknown) =>
    choices[Number(value)]
const put = <K extends keyof ListSettings>(name: K, value: ListSettings[K] | undefined): Given =>
  value === undefined ? {} : ({ [name]: value } as Given)

/** `%(real_name)s@%(host_name)s` and the other names that Mailman fills in. */
const withoutNames = (value: string | undefined) =>
  value
    ?.replaceAll('%(real_name)s@%(host_name)s', '%list')
    .replace(/%\(web_page_url\)slistinfo%\(cgiext\)s\/%\([a-z_]{1,40}\)s/g, '%page')
    .replace(/%\((?:real_name|list_name|_internal_name)\)s/g, '%list')
    .replace(/%\([a-z_]{1,40}\)s/g, '')

/** The pattern of a regular expression of literals and `.*`; undefined for any other. */
function patternOf(expression: string): string | undefined {
  const bare = expression.trim().replace(/^\^|\$$/g, '')
  const plain = bare.replaceAll('.*', '*').replace(/\\([^\w])/g, '$1')
  return /[[\](){}|+?^$\\]|(?:^|[^\\])\.(?!\*)/.test(bare.replaceAll('.*', '').replace(/\\[^\w]/g, '')) || plain === ''
    ? undefined
    : plain
}

const topics = (value: unknown): string[] =>
  (Array.isArray(value) ? value : []).flatMap((topic) => {
    const [name, expression] = Array.isArray(topic) ? topic : []
    const pattern = typeof expression === 'string' ? patternOf(expression) : undefined
    return typeof name === 'string' && pattern !== undefined ? [`${name}: *${pattern}*`.replaceAll('**', '*')] : []
  })

const KEYS: Readonly<Record<string, (value: unknown, all: Dict) => Given>> = {
  real_name: (value, all) => (line(all.get('description')) ? {} : put('description', line(value)?.slice(0, 200))),
  description: (value) => (line(value) ? put('description', line(value)?.slice(0, 200)) : {}),
  info: (value) => put('info', text(value)?.slice(0, 10_000)),
  owner: (value) => put('owners', strings(value)),
  moderator: (value) => put('moderators', strings(value)),
  advertised: (value) => ({ advertised: isOn(value) ? 'yes' : 'no' }),
  archive: (value, all) => ({
    archive: !isOn(value) ? 'none' : isOn(all.get('archive_private')) ? 'members' : 'public',
  }),
  archive_private: () => ({}),
  default_member_moderation: (value) => ({ moderated: isOn(value) ? 'yes' : 'no' }),
  emergency: (value) => (isOn(value) ? { moderated: 'yes' } : {}),
  generic_nonmember_action: (value) =>
    value === 0
      ? { post: 'anyone' }
      : { post: 'members', ...put('nonmembers', choice(['hold', 'hold', 'refuse', 'discard'] as const)(value)) },
  accept_these_nonmembers: (value) =>
    put(
      'allowed',
      strings(value)?.filter((one) => !one.startsWith('^')),
    ),
  ban_list: (value) =>
    put(
      'bans',
      strings(value)?.filter((one) => !one.startsWith('^')),
    ),
  max_message_size: (value) => put('maxSize', number(value) === undefined ? undefined : (value as number) * 1024),
  max_num_recipients: (value) => put('maxRecipients', number(value)),
  require_explicit_destination: (value) => ({ explicit: isOn(value) ? 'yes' : 'no' }),
  subject_prefix: (value) => put('subjectPrefix', line(value)?.slice(0, 100)),
  msg_footer: (value) =>
    put(
      'footer',
      withoutNames(text(value))
        ?.replace(/^_{10,}\n/, '')
        .trim()
        .slice(0, 4000),
    ),
  welcome_msg: (value) => (text(value) ? put('welcome', text(value)?.slice(0, 10_000)) : {}),
  goodbye_msg: (value) => put('goodbye', text(value)?.slice(0, 10_000)),
  reply_goes_to_list: (value) => ({ replyTo: value === 1 ? 'list' : 'author' }),
  subscribe_policy: (value) =>
    put('subscribe', choice(['open', 'confirm', 'approve', 'confirm-approve'] as const)(value)),
  unsubscribe_policy: (value) => ({ unsubscribe: isOn(value) ? 'approve' : 'confirm' }),
  from_is_list: (value) => (isOn(value) ? put('dmarc', choice(['none', 'rewrite', 'wrap'] as const)(value)) : {}),
  dmarc_moderation_action: (value) => (isOn(value) ? put('dmarc', value === 2 ? 'wrap' : 'rewrite') : {}),
  bounce_processing: (value) => (isOn(value) ? {} : { bounceScore: 0 }),
  bounce_score_threshold: (value, all) =>
    isOn(all.get('bounce_processing') ?? 1) ? put('bounceScore', number(value)) : {},
  digestable: (value) => (isOn(value) ? {} : { digest: 'none' }),
  digest_size_threshhold: (value) =>
    put('digestSize', number(value) === undefined ? undefined : Math.round((value as number) * 1024)),
  preferred_language: (value) =>
    value === 'de' || value === 'fr' || value === 'es' || value === 'en' ? { language: value } : {},
  topics: (value) => put('topics', topics(value)),
}

/** Members and what belongs to them, read by `membersOf`. */
const OF_MEMBERS = new Set([
  'members',
  'digest_members',
  'user_options',
  'usernames',
  'language',
  'delivery_status',
  'topics_userinterest',
])

function membersOf(all: Dict): NewMember[] {
  const digests = dictOf(all.get('digest_members'))
  const [options, names, languages, states, interests] = [
    'user_options',
    'usernames',
    'language',
    'delivery_status',
    'topics_userinterest',
  ].map((name) => dictOf(all.get(name))) as [Dict, Dict, Dict, Dict, Dict]
  const keys = [...dictOf(all.get('members')).keys(), ...digests.keys()].filter((one) => typeof one === 'string')
  return keys.map((address, index) => {
    const bits = number(options.get(address)) ?? 0
    const state = states.get(address)
    const isOff = (bits & NO_DELIVERY) > 0 || (Array.isArray(state) && isOn(state[0]))
    const digest = (bits & PLAIN_DIGEST) > 0 ? 'plain' : 'mime'
    const name = text(names.get(address))?.trim().slice(0, 200)
    const language = languages.get(address)
    const chosen = strings(interests.get(address)) ?? []
    const given: MemberOptions = {
      ...(name ? { name } : {}),
      delivery: isOff ? 'none' : digests.has(address) ? digest : 'post',
      own: (bits & NOT_OWN) === 0,
      acknowledge: (bits & ACKNOWLEDGE) > 0,
      moderated: (bits & MODERATED) > 0,
      duplicates: (bits & NO_DUPLICATES) === 0,
      ...(language === 'de' || language === 'fr' || language === 'es' || language === 'en' ? { language } : {}),
      ...(chosen.length > 0 ? { topics: chosen, otherTopics: (bits & OTHER_TOPICS) > 0 } : {}),
    }
    return { line: index + 1, address, options: given }
  })
}

/** Throws for anything but a pickled dictionary. */
export function readMailman2(input: Buffer): ReadList {
  const all = readPickle(input)
  if (!(all instanceof Map)) throw new Error('The pickle is not the configuration of a list')
  let settings: Given = {}
  const unknown: string[] = []
  for (const [key, value] of all) {
    if (typeof key !== 'string' || key.startsWith('_') || OF_MEMBERS.has(key)) continue
    if (Object.hasOwn(KEYS, key)) settings = { ...settings, ...KEYS[key]?.(value, all) }
    else unknown.push(key)
  }
  return { settings, unknown, members: membersOf(all) }
}
