/**
 * The settings of a list. The schema has no defaults, so that a change contains only what it changes; a list's record
 * holds all of them.
 */
import { size } from 'iems'
import * as z from 'zod'
import { LANGUAGES } from './languages.ts'

const yesNo = () => z.enum(['yes', 'no'])
const text = (most: number) => z.string().max(most)
const line = (most: number) =>
  z
    .string()
    .max(most)
    .regex(/^[^\r\n\0]*$/, 'must be one line')
const patterns = (what: string) => z.array(line(320)).max(10_000).describe(what)

/** Each setting with its description; the fields of `iems list set`. */
export const SETTINGS = {
  description: line(200).describe('One line about the list, shown in List-Id and on its page.'),
  info: text(10_000).describe('Several lines about the list, for its page and for the command `info`.'),
  language: z.enum(LANGUAGES).describe('Language of the texts that the list sends.'),
  advertised: yesNo().describe('Shows the list on the overview page.'),
  archive: z.enum(['public', 'members', 'none']).describe('Readers of the archive; none keeps no archive.'),
  post: z.enum(['anyone', 'members', 'moderators']).describe('Authors whose posts need no moderator.'),
  nonmembers: z.enum(['hold', 'refuse', 'discard']).describe('Treatment of posts by other authors.'),
  moderated: yesNo().describe('Holds every post of a member too, except those of moderators.'),
  allowed: patterns('Further authors whose posts are accepted: addresses, `*@example.org`, or `group:staff`.'),
  bans: patterns('Addresses that can neither post nor subscribe: addresses or `*@example.org`.'),
  rules: patterns('Rules for header fields, the first match counts: `hold: Subject: *lottery*`; also refuse, discard.'),
  maxSize: size().describe('Octets of a post; larger posts are held. 0: no limit.'),
  maxRecipients: z.coerce
    .number()
    .int()
    .min(0)
    .describe('Addresses in To and Cc; posts with more are held. 0: no limit.'),
  topics: patterns(
    'Topics of posts, by words of Subject and Keywords: `Releases: *release*`. Members may choose among them.',
  ),
  explicit: yesNo().describe('Holds posts that do not name the list in To or Cc.'),
  removeTypes: patterns('Media types of parts that are removed from posts: `image/*`, `application/zip`.'),
  subjectPrefix: line(100).describe('Text before the subject; `%d` is the number of the post.'),
  footer: text(4000).describe('Text below each post. `%list` is the address, `%page` the page of the list.'),
  replyTo: z.enum(['author', 'list']).describe('Destination of replies: left to the author, or the list.'),
  dmarc: z
    .enum(['rewrite', 'wrap', 'none'])
    .describe('Treatment of authors whose domain asks receivers to reject or quarantine changed mail.'),
  subscribe: z
    .enum(['open', 'confirm', 'approve', 'confirm-approve', 'closed'])
    .describe('Steps for a subscription: none, a confirmation, a moderator, or both; closed takes none.'),
  unsubscribe: z.enum(['open', 'confirm', 'approve', 'closed']).describe('Steps for leaving the list by mail.'),
  welcome: text(10_000).describe('Text that new members get; empty sends nothing.'),
  goodbye: text(10_000).describe('Text that members get when they leave; empty sends nothing.'),
  notify: yesNo().describe('Informs authors that a post waits for a moderator.'),
  verpEvery: z.coerce
    .number()
    .int()
    .min(0)
    .describe('Posts of which each member gets one under a return path of their own: 1 is every post, 0 none.'),
  bounceScore: z.coerce
    .number()
    .min(0)
    .describe('Score of bounces at which delivery is suspended. 0: bounces are ignored.'),
  digest: z.enum(['daily', 'weekly', 'none']).describe('Interval of digests.'),
  digestSize: size().describe('Octets of posts after which a digest is sent earlier. 0: no limit.'),
  maxDaily: z.coerce
    .number()
    .int()
    .min(0)
    .describe('Posts of one author in a day; further ones are held. 0: no limit.'),
  owners: patterns('Addresses of the owners, who may change the list.'),
  moderators: patterns('Addresses of the moderators, who decide about held posts and subscriptions.'),
}
export const settingsSchema = z.object(SETTINGS)
export type ListSettings = z.output<typeof settingsSchema>

export const DEFAULTS: ListSettings = {
  description: '',
  info: '',
  language: 'en',
  advertised: 'yes',
  archive: 'members',
  post: 'members',
  nonmembers: 'hold',
  moderated: 'no',
  allowed: [],
  bans: [],
  rules: [],
  maxSize: 1_000_000,
  maxRecipients: 20,
  topics: [],
  explicit: 'yes',
  removeTypes: [],
  subjectPrefix: '',
  footer: '',
  replyTo: 'author',
  dmarc: 'rewrite',
  subscribe: 'confirm',
  unsubscribe: 'confirm',
  welcome: 'Welcome to the list %list. Its page is %page\nTo leave it, write to %leave',
  goodbye: '',
  notify: 'yes',
  verpEvery: 1,
  bounceScore: 5,
  digest: 'daily',
  digestSize: 100_000,
  maxDaily: 0,
  owners: [],
  moderators: [],
}

const clean = (values: readonly string[]) => values.map((one) => one.trim()).filter((one) => one !== '')

/** Settings with those that are given; empty entries of lists go. */
export function merged(settings: ListSettings, given: Readonly<Record<string, unknown>>): ListSettings {
  const known = Object.entries(given).filter(([name, value]) => name in SETTINGS && value !== undefined)
  const values = known.map(([name, value]) => [name, Array.isArray(value) ? clean(value as string[]) : value])
  return { ...settings, ...Object.fromEntries(values) }
}
