/**
 * Pages about one post that need a login: its star and an answer, for readers; removal and redaction, for owners.
 *
 * Invariants: an answer is sent in the session of its author, under an address by which they are a member of the list;
 * a change of the archive names its author.
 */
import { randomUUID } from 'node:crypto'
import { dateText, decodeWords, textEntity } from 'iems/mime'
import * as z from 'zod'
import { type Call, type Html, HttpProblem, html, Redirect } from '../../web/http/api.ts'
import type { MailingList } from '../api.ts'
import { encodeText, mailbox } from '../letters.ts'
import { memberAddress, mustModerate, readable } from './access.ts'
import { type ArchivePagesDeps, hash, list } from './archive-pages.ts'
import { foundPost } from './archive-views.ts'
import { masked, page, pathOf, said } from './layout.ts'
import { type Digest, digestOf, subjectOf, textOf } from './post-row.ts'
import { wordsOf } from './words.ts'

export interface PostPagesDeps extends ArchivePagesDeps {
  readonly now: () => number
}

const MAX_TEXT = 100_000
const text = z.string().max(MAX_TEXT)
const LIMIT = { body: 4 * MAX_TEXT, perMinute: 20 }
const params = z.object({ list, hash })

export function addPostPages(deps: PostPagesDeps): void {
  addStars(deps)
  addReplies(deps)
  addEditing(deps)
}

function addStars(deps: PostPagesDeps): void {
  const { http, archive } = deps
  http.page({
    method: 'POST',
    path: '/lists/:list/message/:hash/star',
    who: 'user',
    summary: 'Stars a post of a mailing list, or removes the star',
    params,
    form: z.object({ star: z.enum(['yes', 'no']) }),
    async run(call) {
      const found = await readable(deps, call.params.list, call)
      await foundPost(archive, found, call.params.hash)
      const { star } = call.body as { star: 'yes' | 'no' }
      const account = call.login.identity.account
      if (account === undefined) throw new HttpProblem(403, 'Only accounts can star posts')
      await archive.star(found, account, call.params.hash, star === 'yes')
      return new Redirect(`${pathOf(found)}/message/${call.params.hash}`)
    },
  })
}

function addReplies(deps: PostPagesDeps): void {
  const { http, archive } = deps
  async function open(call: Pick<Call<z.output<typeof params>>, 'params' | 'login'>) {
    const found = await readable(deps, call.params.list, call)
    const from = await memberAddress(deps, found, call.login)
    if (from === undefined) throw new HttpProblem(403, 'Only members of the list can answer here')
    const post = await foundPost(archive, found, call.params.hash)
    return { found, from, post, digest: await digestOf(archive, post) }
  }
  http.page({
    path: '/lists/:list/message/:hash/reply',
    who: 'user',
    summary: 'A form for an answer to a post of a mailing list',
    params,
    async run(call) {
      const { found, from, post, digest } = await open(call)
      const quoted = (await textOf(archive, post.email))
        .split('\n')
        .slice(0, 200)
        .map((line) => `> ${line}`)
      return replyPage(found, from, digest, `${digest.author}:\n${masked(quoted.join('\n'))}\n\n`)
    },
  })
  http.page({
    method: 'POST',
    path: '/lists/:list/message/:hash/reply',
    who: 'user',
    summary: 'Sends an answer to a mailing list',
    params,
    form: z.object({ text: text.min(1) }),
    limit: LIMIT,
    async run(call) {
      const { found, from, digest } = await open(call)
      const content = replyContent({ found, from, digest, text: (call.body as { text: string }).text, now: deps.now() })
      await sendAs(call, from, found.address, content)
      const t = wordsOf(found)
      return said(t('The answer is sent'), t('It appears in the archive when {} has taken it.', found.address), found)
    },
  })
}

function replyPage(found: MailingList, from: string, digest: Digest, quoted: string): Html {
  const path = `${pathOf(found)}/message/${digest.hash}`
  const t = wordsOf(found)
  const body = html`<form class="form" method="post" action="${path}/reply"><p class="t3 sm">${t('From {} to {}', from, found.address)}</p><div class="field"><label for="text">${t('Your answer')}</label><textarea id="text" name="text" rows="14" required maxlength="${MAX_TEXT}">${quoted}</textarea></div><div class="acts"><button class="btn main">${t('Send to the list')}</button><a class="btn" href="${path}">${t('Back')}</a></div></form>`
  return page({ title: t('Answer: {}', subjectOf(found, digest)), list: found, isPrivate: true, body })
}

interface Reply {
  readonly found: MailingList
  readonly from: string
  readonly digest: Digest
  readonly text: string
  readonly now: number
}

function replyContent({ found, from, digest, text: words, now }: Reply): Buffer {
  const subject = decodeWords(digest.subject).replace(/^re:\s*/i, '')
  // Message-IDs of senders, reduced to characters that a field can hold on a line of its own.
  const ids = [...digest.references, digest.messageId].filter((id) => /^[!-~]{1,900}$/.test(id)).slice(-20)
  const fields = [
    `From: ${mailbox('', from)}`,
    `To: ${found.address}`,
    `Subject: ${encodeText(`Re: ${subject}`)}`,
    `Date: ${dateText({ at: now })}`,
    `Message-ID: <${randomUUID()}@${from.slice(from.lastIndexOf('@') + 1)}>`,
    ...(ids.length > 0
      ? [`In-Reply-To: <${ids.at(-1)}>`, `References: ${ids.map((id) => `<${id}>`).join('\r\n ')}`]
      : []),
    'MIME-Version: 1.0',
  ]
  return Buffer.from(`${fields.join('\r\n')}\r\n${textEntity(words)}`)
}

/** Throws a problem for a post that this server or the list refuses. */
async function sendAs(call: Call, from: string, to: string, content: Buffer): Promise<void> {
  const session = await call.openSession('mail')
  try {
    const refused = (await session.mail(from, { size: content.length })) ?? (await session.rcpt({ address: to }))
    if (refused) throw new HttpProblem(403, refused.reply.text)
    const reply = await session.data(one(content))
    if (reply.code !== 250) throw new HttpProblem(reply.code < 500 ? 503 : 403, reply.text)
  } finally {
    session.close()
  }
}

async function* one(content: Buffer): AsyncGenerator<Uint8Array> {
  yield content
}

function addEditing(deps: PostPagesDeps): void {
  const { http, archive, now } = deps
  http.page({
    path: '/lists/:list/message/:hash/edit',
    who: 'user',
    summary: 'A form to remove or redact a post of a mailing list',
    params,
    async run(call) {
      const found = await mustModerate(deps, call.params.list, call.login)
      const post = await foundPost(archive, found, call.params.hash)
      const digest = await digestOf(archive, post)
      const path = `${pathOf(found)}/message/${call.params.hash}`
      const body = html`<p class="note warn">Neither can be undone. The page of the post says that an owner changed it.</p><form class="form" method="post" action="${path}/edit"><div class="field"><label for="text">Text of the post</label><textarea id="text" name="text" rows="14" maxlength="${MAX_TEXT}">${await textOf(archive, post.email)}</textarea><p class="hint">A redacted post keeps its link and loses its files.</p></div><div class="acts"><button class="btn main" name="action" value="redact">Replace the text</button><button class="btn danger" name="action" value="remove">Remove the post</button><a class="btn" href="${path}">Back</a></div></form>`
      return page({ title: `Remove or redact: ${digest.subject}`, list: found, language: 'en', isPrivate: true, body })
    },
  })
  http.page({
    method: 'POST',
    path: '/lists/:list/message/:hash/edit',
    who: 'user',
    summary: 'Removes or redacts a post of a mailing list',
    params,
    form: z.object({ action: z.enum(['redact', 'remove']), text: text.default('') }),
    limit: LIMIT,
    async run(call) {
      const found = await mustModerate(deps, call.params.list, call.login)
      const { action, text: words } = call.body as { action: 'redact' | 'remove'; text: string }
      const by = { by: call.login.identity.user, at: now() }
      const isDone =
        action === 'remove'
          ? await archive.remove(found, call.params.hash, by.by, by.at)
          : await archive.redact(found, call.params.hash, words, by)
      if (!isDone) throw new HttpProblem(409, 'The post has changed meanwhile: look at it again')
      if (action === 'remove') return said('The post is removed', 'Its link says so from now on.', found)
      return new Redirect(`${pathOf(found)}/message/${call.params.hash}`)
    },
  })
}
