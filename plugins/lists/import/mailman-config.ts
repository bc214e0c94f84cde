/**
 * The configuration of a Mailman list as settings: JSON of the REST API of Mailman 3 (`/lists/ID/config`), or of a
 * Mailman 2 configuration that was written as JSON. Pure.
 */
import type { ListSettings } from '../settings.ts'

type Source = Readonly<Record<string, unknown>>
type Given = Partial<ListSettings>

const text = (value: unknown) => (typeof value === 'string' ? value : undefined)
const number = (value: unknown) =>
  typeof value === 'number' && Number.isFinite(value) && value >= 0 ? value : undefined
const strings = (value: unknown) => (Array.isArray(value) ? value.filter((one) => typeof one === 'string') : undefined)
const choice =
  <T>(choices: Readonly<Record<string, T>>) =>
  (value: unknown): T | undefined =>
    choices[String(value).toLowerCase()]
const one = (value: unknown) => text(value)?.replace(/\s+/g, ' ').trim()

const SUBSCRIBE = choice<ListSettings['subscribe']>({
  open: 'open',
  confirm: 'confirm',
  moderate: 'approve',
  confirm_then_moderate: 'confirm-approve',
})
const NONMEMBERS = choice<ListSettings['nonmembers']>({ hold: 'hold', reject: 'refuse', discard: 'discard' })
const DMARC = choice<ListSettings['dmarc']>({
  no_mitigation: 'none',
  munge_from: 'rewrite',
  wrap_message: 'wrap',
  0: 'none',
  1: 'rewrite',
  2: 'wrap',
})
const ARCHIVE = choice<ListSettings['archive']>({ public: 'public', private: 'members', never: 'none' })
const yes = choice<'yes' | 'no'>({ true: 'yes', false: 'no', 1: 'yes', 0: 'no' })

/** Mailman's keys, and the settings they map to. */
const KEYS: Readonly<Record<string, (value: unknown) => Given | undefined>> = {
  display_name: (value) => only('description', one(value)),
  description: (value) => (one(value) ? { description: one(value)?.slice(0, 200) as string } : undefined),
  info: (value) => only('info', text(value)?.slice(0, 10_000)),
  advertised: (value) => only('advertised', yes(value)),
  archive_policy: (value) => only('archive', ARCHIVE(value)),
  default_member_action: (value) => (value === 'hold' ? { moderated: 'yes' } : { moderated: 'no' }),
  emergency: (value) => (yes(value) === 'yes' ? { moderated: 'yes' } : undefined),
  default_nonmember_action: (value) =>
    value === 'accept'
      ? { post: 'anyone' }
      : NONMEMBERS(value) && { post: 'members', nonmembers: NONMEMBERS(value) as 'hold' },
  accept_these_nonmembers: (value) => only('allowed', addresses(value)),
  ban_list: (value) => only('bans', addresses(value)),
  max_message_size: (value) => only('maxSize', times(number(value), 1024)),
  max_num_recipients: (value) => only('maxRecipients', number(value)),
  require_explicit_destination: (value) => only('explicit', yes(value)),
  subject_prefix: (value) => only('subjectPrefix', one(value)?.slice(0, 100)),
  msg_footer: (value) => only('footer', text(value)?.slice(0, 4000)),
  reply_goes_to_list: (value) => ({ replyTo: /point_to_list|^1$/.test(String(value)) ? 'list' : 'author' }),
  dmarc_mitigate_action: (value) => only('dmarc', DMARC(value)),
  from_is_list: (value) => only('dmarc', DMARC(value)),
  subscription_policy: (value) => only('subscribe', SUBSCRIBE(value)),
  unsubscription_policy: (value) =>
    only('unsubscribe', value === 'open' ? 'open' : value === 'moderate' ? 'approve' : 'confirm'),
  bounce_score_threshold: (value) => only('bounceScore', number(value)),
  digests_enabled: (value) => (yes(value) === 'no' ? { digest: 'none' } : undefined),
  digest_size_threshold: (value) => only('digestSize', times(number(value), 1024)),
  owner: (value) => only('owners', strings(value)),
  moderator: (value) => only('moderators', strings(value)),
}

/** Regular expressions of Mailman begin with `^`: they are not understood here. */
const addresses = (value: unknown) => strings(value)?.filter((pattern) => !pattern.startsWith('^'))
const times = (value: number | undefined, by: number) => (value === undefined ? undefined : value * by)

function only<K extends keyof ListSettings>(name: K, value: ListSettings[K] | undefined): Given | undefined {
  return value === undefined ? undefined : ({ [name]: value } as Given)
}

/** The settings, and the keys without effect. Throws for anything but a JSON object. */
export function readMailmanConfig(json: string): { readonly settings: Given; readonly unknown: readonly string[] } {
  const source = JSON.parse(json) as Source
  if (typeof source !== 'object' || source === null || Array.isArray(source))
    throw new Error('The configuration is not an object')
  let settings: Given = {}
  const unknown: string[] = []
  for (const [key, value] of Object.entries(source)) {
    const found = Object.hasOwn(KEYS, key) ? KEYS[key]?.(value) : undefined
    if (found) settings = { ...settings, ...found }
    else unknown.push(key)
  }
  return { settings, unknown }
}
