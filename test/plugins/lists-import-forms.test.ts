/** Settings and members of other list servers, word by word: each line of a foreign file and its meaning here. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readMailmanConfig } from '../../plugins/lists/import/mailman-config.ts'
import { readMembers } from '../../plugins/lists/import/members.ts'
import { readListservConfig, readSympaConfig } from '../../plugins/lists/import/other-configs.ts'

type Row = readonly [line: string, settings: object]

const SYMPA: readonly Row[] = [
  ['subject Talk about trains', { description: 'Talk about trains' }],
  ['subscribe open', { subscribe: 'open' }],
  ['subscribe open_notify', { subscribe: 'open' }],
  ['subscribe auth', { subscribe: 'confirm' }],
  ['subscribe auth_notify', { subscribe: 'confirm' }],
  ['subscribe owner', { subscribe: 'approve' }],
  ['subscribe auth_owner', { subscribe: 'confirm-approve' }],
  ['subscribe closed', { subscribe: 'closed' }],
  ['unsubscribe open_notify', { unsubscribe: 'open' }],
  ['unsubscribe auth', { unsubscribe: 'confirm' }],
  ['unsubscribe owner', { unsubscribe: 'approve' }],
  ['unsubscribe closed', { unsubscribe: 'closed' }],
  ['send public', { post: 'anyone' }],
  ['send public_nobcc', { post: 'anyone', explicit: 'yes' }],
  ['send private', { post: 'members', nonmembers: 'refuse' }],
  ['send privateorpublickey', { post: 'members', nonmembers: 'hold' }],
  ['send privateoreditorkey', { post: 'members', nonmembers: 'hold' }],
  ['send editorkey', { post: 'moderators', nonmembers: 'hold' }],
  ['send editorkeyonly', { post: 'moderators', nonmembers: 'hold' }],
  ['send editorkeyonlyauth', { post: 'moderators', nonmembers: 'hold' }],
  ['send closed', { post: 'moderators', nonmembers: 'refuse' }],
  ['custom_subject trains', { subjectPrefix: '[trains]' }],
  ['custom_subject [Trains %d]', { subjectPrefix: '[Trains %d]' }],
  ['visibility noconceal', { advertised: 'yes' }],
  ['visibility conceal', { advertised: 'no' }],
  ['lang de', { language: 'de' }],
  ['lang en_US', { language: 'en' }],
  ['reply_to_header\nvalue list\napply forced', { replyTo: 'list' }],
  ['reply_to_header\nvalue sender', { replyTo: 'author' }],
  ['web_archive\naccess public', { archive: 'public' }],
  ['archive\nweb_access private', { archive: 'members' }],
  ['digest 0,1,2,3,4,5,6 13:26', { digest: 'daily' }],
  ['digest 1,4 13:26', { digest: 'weekly' }],
  ['owner\nemail ann@a.test\ngecos Ann', { owners: ['ann@a.test'] }],
  ['owner\nemail ann@a.test\n\nowner\nemail bob@b.test', { owners: ['ann@a.test', 'bob@b.test'] }],
  ['editor\nemail eve@a.test', { moderators: ['eve@a.test'] }],
]

test('each parameter of a Sympa config has its meaning, with LF and CRLF', () => {
  for (const [line, settings] of SYMPA)
    for (const text of [line, `# a comment\n${line}\n`, line.replaceAll('\n', '\r\n')])
      assert.deepEqual(readSympaConfig(text), { settings, unknown: [] }, text)
})

test('parameters of Sympa without a counterpart are named once and change nothing', () => {
  const text =
    'lang tlh\n\nsend intranet\n\nmax_size much\n\ntopics computing\n\ntopics music\n\nowner\ngecos nameless\n'
  assert.deepEqual(readSympaConfig(text), { settings: {}, unknown: ['lang', 'send', 'max_size', 'topics'] })
})

const LISTSERV: readonly Row[] = [
  ['* The trains of Europe', { description: 'The trains of Europe' }],
  ['* Owner= Ann <ann@a.test>', { owners: ['ann@a.test'] }],
  ['* Owner= Quiet:,bob@b.test', { owners: ['bob@b.test'] }],
  ['* Editor= eve@a.test', { moderators: ['eve@a.test'] }],
  ['* Moderator= eve@a.test', { moderators: ['eve@a.test'] }],
  ['* Subscription= Open', { subscribe: 'open' }],
  ['* Subscription= Open,Confirm', { subscribe: 'confirm' }],
  ['* Subscription= By_Owner', { subscribe: 'approve' }],
  ['* Subscription= Closed', { subscribe: 'closed' }],
  ['* Send= Public', { post: 'anyone' }],
  ['* Send= Private', { post: 'members', nonmembers: 'refuse' }],
  ['* Send= Editor,Hold', { post: 'moderators', nonmembers: 'hold' }],
  ['* Send= Owner', { post: 'moderators', nonmembers: 'hold' }],
  ['* Reply-To= List,Respect', { replyTo: 'list' }],
  ['* Reply-To= Sender', { replyTo: 'author' }],
  ['* Subject-Tag= "TRAINS"', { subjectPrefix: '[TRAINS]' }],
  ['* Notebook= No', { archive: 'none' }],
  ['* Notebook= Yes,E:\\lists,Monthly,Public', { archive: 'public' }],
  ['* Notebook= Yes,E:\\lists,Monthly,Private', { archive: 'members' }],
  ['* Confidential= No', { advertised: 'yes' }],
  ['* Confidential= Service', { advertised: 'no' }],
  ['* Digest= No', { digest: 'none' }],
  ['* Digest= Yes,Same,Weekly', { digest: 'weekly' }],
  ['* Digest= Yes,Same,Daily', { digest: 'daily' }],
]

test('each keyword of a LISTSERV header has its meaning, in any case and with any line end', () => {
  for (const [line, settings] of LISTSERV)
    for (const text of [line, `${line}\r\nann@a.test Ann\r\n`, `*\n${line}\n*\n`])
      assert.deepEqual(readListservConfig(text), { settings, unknown: [] }, text)
})

test('of several titles in a LISTSERV header the first counts, and unknown keywords are named', () => {
  assert.deepEqual(readListservConfig('* One\n* Two\n* Sizelim= large\n* Language= Klingon\n* Renewal= Yearly\n'), {
    settings: { description: 'One' },
    unknown: ['sizelim', 'language', 'renewal'],
  })
})

const MAILMAN: readonly (readonly [config: object, settings: object])[] = [
  [{ display_name: ' The \n list ' }, { description: 'The list' }],
  [{ display_name: 'List', description: 'About trains' }, { description: 'About trains' }],
  [{ info: 'long' }, { info: 'long' }],
  [{ advertised: true }, { advertised: 'yes' }],
  [{ advertised: 0 }, { advertised: 'no' }],
  [{ archive_policy: 'never' }, { archive: 'none' }],
  [{ archive_policy: 'private' }, { archive: 'members' }],
  [{ archive_policy: 'public' }, { archive: 'public' }],
  [{ default_member_action: 'hold' }, { moderated: 'yes' }],
  [{ default_member_action: 'defer' }, { moderated: 'no' }],
  [{ default_member_action: 'defer', emergency: true }, { moderated: 'yes' }],
  [{ default_nonmember_action: 'accept' }, { post: 'anyone' }],
  [{ default_nonmember_action: 'reject' }, { post: 'members', nonmembers: 'refuse' }],
  [{ default_nonmember_action: 'hold' }, { post: 'members', nonmembers: 'hold' }],
  [{ default_nonmember_action: 'discard' }, { post: 'members', nonmembers: 'discard' }],
  [{ accept_these_nonmembers: ['a@a.test', '^.*@b.test'] }, { allowed: ['a@a.test'] }],
  [{ ban_list: ['^x', 'spam@a.test'] }, { bans: ['spam@a.test'] }],
  [{ max_message_size: 40 }, { maxSize: 40_960 }],
  [{ max_num_recipients: 10 }, { maxRecipients: 10 }],
  [{ require_explicit_destination: false }, { explicit: 'no' }],
  [{ subject_prefix: '[T] ' }, { subjectPrefix: '[T]' }],
  [{ msg_footer: '--\nbye' }, { footer: '--\nbye' }],
  [{ reply_goes_to_list: 'point_to_list' }, { replyTo: 'list' }],
  [{ reply_goes_to_list: 1 }, { replyTo: 'list' }],
  [{ reply_goes_to_list: 'no_munging' }, { replyTo: 'author' }],
  [{ dmarc_mitigate_action: 'munge_from' }, { dmarc: 'rewrite' }],
  [{ dmarc_mitigate_action: 'wrap_message' }, { dmarc: 'wrap' }],
  [{ from_is_list: 0 }, { dmarc: 'none' }],
  [{ subscription_policy: 'confirm_then_moderate' }, { subscribe: 'confirm-approve' }],
  [{ subscription_policy: 'moderate' }, { subscribe: 'approve' }],
  [{ unsubscription_policy: 'confirm' }, { unsubscribe: 'confirm' }],
  [{ unsubscription_policy: 'moderate' }, { unsubscribe: 'approve' }],
  [{ bounce_score_threshold: 5 }, { bounceScore: 5 }],
  [{ digests_enabled: false }, { digest: 'none' }],
  [{ digest_size_threshold: 30 }, { digestSize: 30_720 }],
  [
    { owner: ['ann@a.test'], moderator: ['eve@a.test'] },
    { owners: ['ann@a.test'], moderators: ['eve@a.test'] },
  ],
]

test('each key of a Mailman configuration has its meaning', () => {
  for (const [config, settings] of MAILMAN)
    assert.deepEqual(readMailmanConfig(JSON.stringify(config)), { settings, unknown: [] }, JSON.stringify(config))
})

test('values of Mailman that mean nothing here are named; what is no object is refused', () => {
  const odd = { max_message_size: -1, archive_policy: 'sometimes', constructor: 1, filter_content: true, owner: 'ann' }
  assert.deepEqual(readMailmanConfig(JSON.stringify(odd)), { settings: {}, unknown: Object.keys(odd) })
  for (const json of ['[]', 'null', '"x"', '1']) assert.throws(() => readMailmanConfig(json), /not an object/, json)
  assert.throws(() => readMailmanConfig('{'), SyntaxError)
})

const membersOf = async (text: string, size = 7) => {
  const octets = Buffer.from(text)
  const chunks = Array.from({ length: Math.ceil(octets.length / size) }, (_, at) =>
    octets.subarray(at * size, (at + 1) * size),
  )
  const found: object[] = []
  for await (const one of readMembers(ReadableStream.from(chunks))) found.push(one)
  return found
}

const MEMBERS: readonly (readonly [text: string, members: readonly object[]])[] = [
  ['ann@a.test', [{ line: 1, address: 'ann@a.test', options: {} }]],
  ['\ufeffann@a.test\r\n', [{ line: 1, address: 'ann@a.test', options: {} }]],
  ['# members\n\nAnn Able <ann@a.test>\n', [{ line: 3, address: 'ann@a.test', options: { name: 'Ann Able' } }]],
  ['"Able, Ann" <ann@a.test>', [{ line: 1, address: 'ann@a.test', options: { name: 'Able, Ann' } }]],
  ['* PW= x\nann@a.test Ann Able\n', [{ line: 2, address: 'ann@a.test', options: { name: 'Ann Able' } }]],
  ['not an address', [{ line: 1, address: 'not an address', options: {} }]],
  ['email,display_name\na@a.test,"A ""B"", C"\n', [{ line: 2, address: 'a@a.test', options: { name: 'A "B", C' } }]],
  ['Address,Delivery\na@a.test,digest\n', [{ line: 2, address: 'a@a.test', options: { delivery: 'mime' } }]],
  ['address,delivery\na@a.test,\n', [{ line: 2, address: 'a@a.test', options: {} }]],
  [
    'address,delivery\na@a.test,weekly\n,digest\n',
    [
      { line: 2, fault: 'unknown delivery weekly' },
      { line: 3, fault: 'no address' },
    ],
  ],
  [
    'email a@a.test\nreception notice\ngecos Ann\n\nemail b@b.test\n',
    [
      { line: 1, address: 'a@a.test', options: { name: 'Ann', delivery: 'none' } },
      { line: 5, address: 'b@b.test', options: {} },
    ],
  ],
  [
    '["a@a.test", {"email":"b@b.test","delivery_mode":"plaintext_digests","moderation_action":"hold"}]',
    [
      { line: 1, address: 'a@a.test', options: {} },
      { line: 2, address: 'b@b.test', options: { delivery: 'plain', moderated: true } },
    ],
  ],
  [
    '{"entries":[{"email":"a@a.test","delivery_status":"by_user","delivery_mode":"regular"}]}',
    [{ line: 1, address: 'a@a.test', options: { delivery: 'none' } }],
  ],
  ['{\n"entries": 3}', [{ line: 1, fault: 'the JSON has no list of members' }]],
  ['[{"email": ', [{ line: 1, fault: 'the JSON cannot be read' }]],
  [
    '[null, {"email": 5}]',
    [
      { line: 1, fault: 'no address' },
      { line: 2, fault: 'no address' },
    ],
  ],
]

test('members are read in each form, whatever the chunks', async () => {
  for (const [text, members] of MEMBERS)
    for (const size of [1, 7, 4096]) assert.deepEqual(await membersOf(text, size), members, `${text} in ${size}`)
})

const DELIVERIES: Readonly<Record<string, readonly string[]>> = {
  post: ['post', 'regular', 'mail', 'txt', 'html', 'urlize', 'not_me', 'nodigest'],
  mime: ['digest', 'digests', 'mime', 'mime_digests', 'digestmime', 'DIGEST'],
  plain: ['plain', 'plaintext_digests', 'summary_digests', 'digestplain', 'summary'],
  none: ['notice', 'none', 'nomail', 'by_user', 'by_moderator'],
}

test('each word of another list server for the delivery of a member has its meaning', async () => {
  for (const [delivery, words] of Object.entries(DELIVERIES))
    for (const word of words)
      assert.deepEqual(
        await membersOf(`address,delivery\na@a.test,${word}\n`, 4096),
        [{ line: 2, address: 'a@a.test', options: { delivery } }],
        word,
      )
})

test('a line without an end is refused before it fills the memory', async () => {
  await assert.rejects(membersOf('a'.repeat(10_001), 4096), /more than 10000 characters/)
})
