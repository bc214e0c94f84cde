/**
 * Mailing lists: a channel for mail to lists, their archives, and pages for members without an account.
 *
 * This file assembles the parts; start reading at api.ts, then deliver.ts and posting.ts.
 */
import { definePlugin, type SetupContext } from 'iems'
import { Accounts } from '../directory/static/api.ts'
import { Directory } from '../directory/store/api.ts'
import { MailQuery, MailStore } from '../mailbox/store/api.ts'
import { Http } from '../web/http/api.ts'
import { Lists, type ListsApi, type PostVerdict } from './api.ts'
import { Archive } from './archive.ts'
import { Bounces } from './bounces.ts'
import { createHeldCommands } from './commands/held.ts'
import { createImportCommands } from './commands/imports.ts'
import { createListCommands } from './commands/lists.ts'
import { createMemberCommands } from './commands/members.ts'
import { createCheck, createDeliver, createTargets, type DeliverDeps } from './deliver.ts'
import { DirectoryEntries } from './directory-entries.ts'
import { createLetters } from './letters.ts'
import { Mailings } from './mailing.ts'
import { changeMany, type ManyDeps } from './many.ts'
import { Membership } from './membership.ts'
import { createAnnounce, Moderation } from './moderation.ts'
import { type Options, options } from './options.ts'
import { createPersonalFields } from './personal.ts'
import { Posting } from './posting.ts'
import { Requests } from './requests.ts'
import { Roster } from './roster.ts'
import { judgePost } from './rules.ts'
import { createSweep } from './sweep.ts'
import { Tokens } from './tokens.ts'
import { pathOf } from './web/layout.ts'
import { addPages } from './web/routes.ts'

export * from './api.ts'

const SWEEP_EVERY_MS = 3_600_000

export const lists = definePlugin({
  name: 'lists',
  config: options.prefault({}),
  // Mail is passed on only to members, by the rules of each list.
  accepts: 'anyone',
  offers: [Lists],
  wants: [Accounts, Directory, MailStore, MailQuery, Http],
  records: { list: { version: 1 }, member: { version: 1 }, held: { version: 1 }, mailing: { version: 1 } },
  hooks: { 'lists:post': 'bail', 'lists:outgoing': 'waterfall', 'lists:posted': 'parallel' },
  setup(config, ctx) {
    const parts = createParts(config, ctx)
    const { roster, deliver, sweep, targetOf } = parts
    const http = ctx.find(Http)
    if (http) addPages({ http, ...parts, site: config.site, accounts: ctx.find(Accounts), now: ctx.clock.now })
    ctx.offer(Lists, serviceOf(parts, http !== undefined))
    return {
      hooks: {
        route: {
          stage: 'early',
          handler: async ({ to }) =>
            (await targetOf(to.address)) ? { channel: ctx.name, nexthop: 'lists' } : undefined,
        },
        check: createCheck(deliver),
        dispatch: createPersonalFields({ name: ctx.name, roster, site: config.site }),
      },
      commands: {
        ...createListCommands(parts),
        ...createMemberCommands(parts),
        ...createHeldCommands(parts),
        ...createImportCommands(parts),
      },
      deliver: createDeliver(deliver),
      listen() {
        ctx.schedule({ name: 'sweep', every: SWEEP_EVERY_MS, run: sweep.run })
      },
    }
  },
})

type ServiceParts = ManyDeps & { readonly posting: Posting; readonly moderation: Moderation; readonly archive: unknown }

const serviceOf = (parts: ServiceParts, hasPages: boolean): ListsApi => ({
  list: (address) => parts.roster.list(address),
  lists: () => parts.roster.lists(),
  members: (list) => parts.roster.members(list),
  member: (list, address) => parts.roster.member(list, address),
  changeMembers: (many, input, signal) => changeMany(parts, many, input, signal),
  held: (list) => parts.posting.waiting(list),
  async heldContent(list, id) {
    const held = await parts.posting.held(list, id)
    return held?.content && parts.posting.contentOf(held.content)
  },
  decide: (list, id, decision, text) => parts.moderation.decide(list, id, decision, text),
  archivePath: (list) => (hasPages && parts.archive && list.settings.archive !== 'none' ? pathOf(list) : undefined),
})

function createParts(config: Options, ctx: SetupContext) {
  const { store, contents, clock, log, dns, submit } = ctx
  const { site } = config
  const roster = new Roster(store, clock.now)
  const tokens = new Tokens(store, clock.now)
  const send = createLetters(ctx)
  const mail = ctx.find(MailStore)
  const query = ctx.find(MailQuery)
  const archive = mail && query ? new Archive({ store, mail, query }) : undefined
  const announce = createAnnounce({ contents, tokens, send, holdMs: config.hold })
  const membership = new Membership({
    roster,
    tokens,
    store,
    send,
    site,
    confirmMs: config.confirm,
    now: clock.now,
    announce,
  })
  const bounces = new Bounces({
    ...{ clock, log, roster, tokens, membership, send, site },
    forgetMs: config.forgetBounces,
    warnings: config.warnings,
    warnMs: config.warnEvery,
  })
  const refused = bounces.refused.bind(bounces)
  const mailings = new Mailings({ store, contents, submit, clock, log, roster, batch: config.batch, refused })
  const posting = new Posting({
    ...{ store, contents, clock, log, roster, mailings, dns, site, archive, send, announce },
    outgoing: async (post) => (await ctx.call('lists:outgoing', post)) ?? post,
    posted: async (post) => void (await ctx.call('lists:posted', post)),
  })
  const moderation = new Moderation({ store, contents, submit, log, roster, posting, membership, tokens, send })
  const requests = new Requests({
    submit,
    clock,
    log,
    roster,
    membership,
    moderation,
    tokens,
    send,
    repliesPerDay: config.repliesPerDay,
  })
  const sweep = createSweep({
    store,
    clock,
    log,
    roster,
    posting,
    mailings,
    tokens,
    bounces,
    contents,
    site,
    hold: config.hold,
  })
  const deliver: DeliverDeps = {
    name: ctx.name,
    roster,
    posting,
    takes: { ...requests.takes(), bounces: bounces.take.bind(bounces) },
    judge: createJudge(ctx, roster, posting),
  }
  const entries = new DirectoryEntries({ directory: ctx.find(Directory), channel: ctx.name })
  const { forgetDigests } = sweep
  return {
    ...{ roster, tokens, membership, posting, moderation, archive, entries, clock, deliver },
    sweep,
    forgetDigests,
    targetOf: createTargets(roster),
  }
}

/** The rules of a list, then what other plugins say. */
function createJudge(ctx: SetupContext, roster: Roster, posting: Posting): DeliverDeps['judge'] {
  const accounts = ctx.find(Accounts)
  return async function judge(list, message, author): Promise<PostVerdict> {
    const ruled = await judgePost({ roster, accounts }, list, message, author)
    const isOver = ruled.kind === 'accept' && (await posting.isOverDaily(list, author.address))
    const verdict: PostVerdict = isOver ? { kind: 'hold', why: 'The author has posted too often today' } : ruled
    const { id, from, size, headers, findings } = message
    const post = {
      list,
      author: author.address,
      verdict,
      message: {
        id,
        from,
        size,
        headers,
        findings,
        open: message.open.bind(message),
        parse: message.parse.bind(message),
      },
    }
    return (await ctx.call('lists:post', post)) ?? verdict
  }
}
