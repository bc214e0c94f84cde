/**
 * The same commands to this server and to Debian's Dovecot, answer by answer: what imap-answers.ts does not call the
 * same must stand in DIFFERENCES with the reason why both may be, or why ours is right; what stands there and is no
 * longer different fails too.
 */
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { HARD } from '../fixtures/hard-mail.ts'
import { type Dovecot, startDovecot, whyNoDovecot } from '../support/dovecot.ts'
import { comparable } from '../support/imap-answers.ts'
import { createImapKernel, type ImapTalk, talkTo } from '../support/imap-talk.ts'
import { DIFFERENCES, SCENARIOS } from './imap-dovecot.ts'

const special = ['Drafts', 'Sent', 'Junk', 'Trash', 'Archive']
const SETTINGS = `
mail_plugins = acl quota
protocol imap {
  mail_plugins = acl quota imap_acl imap_quota
  imap_metadata = yes
}
plugin {
  acl = vfile
  acl_anyone = allow
  quota = maildir:%u
  quota_rule = *:storage=1000M
}
mail_attribute_dict = file:%h/dovecot-attributes
namespace inbox {
  mailbox INBOX {
    auto = subscribe
  }
${special.map((name) => `  mailbox ${name} {\n    special_use = \\${name}\n    auto = subscribe\n  }\n`).join('')}}
`

/** `<<name>>` is a small message of that name, as a literal; `<<3>>` the third of the hard ones. */
function literal(name: string): string {
  const text = /^\d+$/.test(name)
    ? (Object.values(HARD)[Number(name) - 1] ?? '')
    : `From: ${name}@far.test\r\nSubject: ${name}\r\nMessage-ID: <${name}@x>\r\n\r\nText of ${name}\r\n`
  return `{${text.length}+}\r\n${text}`
}

/** One server, with the sessions that a scenario opens: those from X on are bob's. */
class Side {
  readonly #open: (user: string) => Promise<ImapTalk>
  readonly #sessions = new Map<string, ImapTalk>()
  readonly #known = new Map<string, string>()
  constructor(bob: string, open: (user: string) => Promise<ImapTalk>) {
    this.#open = open
    this.#known.set('bob', bob)
  }

  async #session(letter: string): Promise<ImapTalk> {
    const known = this.#sessions.get(letter) ?? (await this.#open(letter >= 'X' ? 'bob' : 'ann'))
    this.#sessions.set(letter, known)
    return known
  }

  /** Keeps where the changes of a mailbox stand, as `{{name}}`; its UIDVALIDITY is `{{validity}}`. */
  async mark(letter: string, name: string, mailbox: string): Promise<void> {
    const line = (await (await this.#session(letter)).command(`STATUS ${mailbox} (UIDVALIDITY HIGHESTMODSEQ)`)).join(
      ' ',
    )
    this.#known.set(name, /HIGHESTMODSEQ (\d+)/.exec(line)?.[1] ?? '')
    this.#known.set('validity', /UIDVALIDITY (\d+)/.exec(line)?.[1] ?? '')
  }

  async say(letter: string, command: string): Promise<readonly string[]> {
    const text = command
      .replace(/\{\{(\w+)\}\}/g, (_, name: string) => this.#known.get(name) ?? '')
      .replace(/<<(\w+)>>/g, (_, name: string) => literal(name))
      .replaceAll('\\r\\n', '\r\n')
      .replace(/\\x([0-9a-f]{2})/g, (_, octet: string) => String.fromCharCode(Number.parseInt(octet, 16)))
    const lines = await (await this.#session(letter)).command(text)
    return comparable(
      lines.map((line) => line.replace(/\b(ann|bob)\d+\b/g, '$1')),
      command,
    )
  }
}

/** `FETCH @ UID` is said of every message there is. */
const linesOf = (commands: string, messages: number) =>
  commands
    .split('\n')
    .map((line) => line.trimStart())
    .filter((line) => line !== '' && !line.startsWith('#'))
    .flatMap((line) =>
      line.includes('@ ') && line.startsWith('FETCH @')
        ? Array.from({ length: messages }, (_, index) => line.replace('@', String(index + 1)))
        : [line],
    )

async function compare(
  t: TestContext,
  { dovecot, index, used }: { readonly dovecot: Dovecot; readonly index: number; readonly used: Set<string> },
): Promise<number> {
  const { title, commands } = SCENARIOS[index] as (typeof SCENARIOS)[number]
  const { talk } = await createImapKernel(t, { mailstore: { undelete: '0 s' } })
  const ours = new Side('bob', talk)
  const theirs = new Side(`bob${index}`, async (user) => {
    const client = await talkTo(t, dovecot.imap, { isChecked: false })
    await client.line()
    assert.match((await client.command(`LOGIN ${user}${index} secret`)).at(-1) ?? '', /^OK/)
    return client
  })
  const wrong: string[] = []
  let count = 0
  for (const line of linesOf(commands, Object.keys(HARD).length)) {
    const [, letter = 'A', command = line] = /^([A-Z]): (.*)$/.exec(line) ?? []
    const [, name, mailbox = 'INBOX'] = /^mark (\w+)(?: (\w+))?$/.exec(command) ?? []
    if (name !== undefined) {
      await ours.mark(letter, name, mailbox)
      await theirs.mark(letter, name, mailbox)
      continue
    }
    count++
    const [a, b] = [await ours.say(letter, command), await theirs.say(letter, command)]
    const isSame = a.join('\n') === b.join('\n')
    const key = `${title}: ${line}`
    const accepted = DIFFERENCES[key]
    if (accepted !== undefined) used.add(key)
    if (!isSame && accepted === undefined)
      wrong.push(
        [
          key,
          ...a.filter((one) => !b.includes(one)).map((one) => `  ours    ${one}`),
          ...b.filter((one) => !a.includes(one)).map((one) => `  Dovecot ${one}`),
        ].join('\n'),
      )
    if (isSame && accepted !== undefined) wrong.push(`${key}\n  is no longer different`)
  }
  assert.equal(wrong.join('\n'), '')
  return count
}

test('Dovecot answers the same, or why not is known', { skip: whyNoDovecot() ?? false }, async (t) => {
  const users = SCENARIOS.flatMap((_, index) => [`ann${index}`, `bob${index}`])
  const dovecot = await startDovecot(t, { users, settings: SETTINGS })
  const used = new Set<string>()
  let count = 0
  for (const [index, { title }] of SCENARIOS.entries())
    await t.test(title, async (t) => {
      count += await compare(t, { dovecot, index, used })
    })
  assert.deepEqual(
    Object.keys(DIFFERENCES).filter((key) => !used.has(key)),
    [],
    'differences that nobody met',
  )
  t.diagnostic(`${count} commands, ${used.size} of them with known differences`)
})
