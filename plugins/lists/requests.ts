/**
 * Commands by mail: what people write to -request, -join, -leave, -confirm and -owner.
 *
 * Invariants: a machine gets no answer (RFC 3834); an address gets few answers in a day; nothing changes before the
 * owner of the address has confirmed it.
 */
import { accept, type Delivery, type ReadableMessage, type Reply, refuse, type SetupContext } from 'iems'
import { DECISIONS, type Decision, LANGUAGES, type MailingList, type MemberOptions } from './api.ts'
import type { Take, Target } from './deliver.ts'
import type { SendLetter } from './letters.ts'
import type { Membership, Result } from './membership.ts'
import { type Moderation, moderatorsOf } from './moderation.ts'
import { repliesKey, roleAddress } from './records.ts'
import type { Roster } from './roster.ts'
import { authorOf } from './rules.ts'
import { textsOf } from './texts.ts'
import type { Tokens } from './tokens.ts'

export interface RequestDeps extends Pick<SetupContext, 'submit' | 'clock' | 'log'> {
  readonly roster: Roster
  readonly membership: Membership
  readonly moderation: Moderation
  readonly tokens: Tokens
  readonly send: SendLetter
  readonly repliesPerDay: number
}

const TAKEN = accept(250, '2.0.0', 'OK')
const DAY_MS = 86_400_000
const MAX_COMMANDS = 10
const MAX_LINE = 200

/** Written by a machine, or for many. */
function isAutomatic({ headers, from }: Pick<ReadableMessage, 'headers' | 'from'>): boolean {
  const auto = headers.get('auto-submitted')[0]?.split(/[;\s]/)[0]?.toLowerCase() ?? 'no'
  const precedence = headers.get('precedence')[0]?.trim().toLowerCase() ?? ''
  return (
    from === '' || auto !== 'no' || /^(?:bulk|junk|list)$/.test(precedence) || headers.get('x-autoreply').length > 0
  )
}

async function linesOf(message: Pick<ReadableMessage, 'parse'>): Promise<string[]> {
  const text = (await message.parse())?.text ?? ''
  return text
    .slice(0, 20_000)
    .split('\n')
    .map((line) => line.trim().slice(0, MAX_LINE))
    .filter((line) => line !== '' && !line.startsWith('>'))
}

const HELP = (list: string) =>
  `Commands for the list ${list}, one on a line, in the subject or the text of a message to ${roleAddress(list, 'request')}:

  help                         this text
  info                         about the list
  subscribe [digest | plain]   join the list
  unsubscribe                  leave the list
  set delivery post | digest | plain | none
  set own yes | no             copies of your own posts
  set duplicates yes | no      copies of posts that name you in To or Cc
  set acknowledge yes | no     a note when your post was sent
  set away 2030-01-31 | off    no mail until then
  set language en | de | fr | es | list
  set topics A, B | all        only posts about these topics
  set others yes | no          posts without a topic too
  which                        the lists here that you are a member of
  confirm TOKEN                confirm a request
  end                          what follows is not read

To write to the people who run the list: ${roleAddress(list, 'owner')}`

const DELIVERY = { post: 'post', digest: 'mime', mime: 'mime', plain: 'plain', none: 'none' } as const

/** `delivery digest`, as an option; undefined when invalid. */
function readOption(name = '', value = '', now = 0): MemberOptions | undefined {
  const yes = /^(?:yes|on|true)$/i.test(value) ? true : /^(?:no|off|false)$/i.test(value) ? false : undefined
  switch (name.toLowerCase()) {
    case 'delivery': {
      const delivery = DELIVERY[value.toLowerCase() as keyof typeof DELIVERY]
      return delivery && { delivery }
    }
    case 'own':
    case 'duplicates':
    case 'acknowledge':
      return yes === undefined ? undefined : { [name.toLowerCase()]: yes }
    case 'away': {
      const until = yes === false ? 0 : /^\d{4}-\d\d-\d\d$/.test(value) ? Date.parse(value) : Number.NaN
      return Number.isNaN(until) || (until > 0 && until < now) ? undefined : { awayUntil: until }
    }
    case 'language': {
      const language = LANGUAGES.find((one) => one === value.toLowerCase())
      return value.toLowerCase() === 'list' ? { language: null } : language && { language }
    }
    case 'topics': {
      const topics = value.split(',').flatMap((one) => (one.trim() === '' ? [] : one.trim()))
      return topics.length === 0 ? undefined : { topics: /^all$/i.test(value.trim()) ? [] : topics }
    }
    case 'others':
      return yes === undefined ? undefined : { otherTopics: yes }
    default:
      return undefined
  }
}

const RESULTS: Readonly<Record<Result, string>> = {
  done: 'Done.',
  unchanged: 'Done.',
  confirming: 'A message with a request to confirm is on its way to your address.',
  waiting: 'A moderator decides about it.',
  closed: 'The list does not offer this.',
}

export class Requests {
  readonly #deps: RequestDeps

  constructor(deps: RequestDeps) {
    this.#deps = deps
  }

  /** The handlers for each address. */
  takes(): Readonly<Partial<Record<Target['role'], Take>>> {
    const person =
      (act: (target: Target, delivery: Delivery, address: string) => Promise<void>): Take =>
      async (target, delivery) => {
        const { address } = authorOf(delivery.headers)
        if (isAutomatic({ headers: delivery.headers, from: delivery.message.from }) || address === '') return TAKEN
        await act(target, delivery, address)
        return TAKEN
      }
    return {
      request: person(({ mailing }, delivery, address) => this.#commands(mailing, delivery, address)),
      join: person(async ({ mailing }, delivery, address) => {
        if (!(await this.#mayReply(address))) return
        const result = await this.#deps.membership.askToJoin(mailing, address)
        if (result === 'closed' || result === 'waiting') await this.#answer(mailing, delivery, address, RESULTS[result])
      }),
      leave: person(async ({ mailing }, delivery, address) => {
        if (!(await this.#mayReply(address))) return
        const result = await this.#deps.membership.askToLeave(mailing, address)
        if (result === 'closed' || result === 'waiting') await this.#answer(mailing, delivery, address, RESULTS[result])
      }),
      confirm: person((target, delivery, address) => this.#confirm(target, delivery, address)),
      owner: (target, delivery) => this.#forward(target, delivery),
    }
  }

  async #mayReply(address: string): Promise<boolean> {
    const { roster, clock, repliesPerDay } = this.#deps
    const at = repliesKey(Math.floor(clock.now() / DAY_MS), address)
    return ((await roster.update<number>(at, (before) => (before ?? 0) + 1)) ?? 0) <= repliesPerDay
  }

  async #answer(
    list: MailingList,
    { headers, id }: Delivery & { readonly id: string },
    to: string,
    text: string,
  ): Promise<void> {
    await this.#deps.send({
      list,
      to,
      subject: textsOf(list).results,
      text,
      from: roleAddress(list.address, 'request'),
      inReplyTo: headers.get('message-id')[0] ?? `<${id}>`,
      once: `answer/${id}`,
    })
  }

  async #commands(list: MailingList, delivery: Delivery, address: string): Promise<void> {
    if (!(await this.#mayReply(address))) return
    const subject = (delivery.headers.get('subject')[0] ?? '')
      .replace(/^\s*(?:re|aw)\s*:/i, '')
      .trim()
      .slice(0, MAX_LINE)
    const lines = [...(COMMAND.test(subject) ? [subject] : []), ...(await linesOf(delivery.message))]
    const answers: string[] = []
    for (const line of lines.slice(0, MAX_COMMANDS)) {
      if (/^(?:end|stop|--)$/i.test(line)) break
      const answer = await this.#command(list, address, line)
      if (answer === undefined) {
        answers.push(`> ${line}\nThis is not a command.`, HELP(list.address))
        break
      }
      answers.push(`> ${line}\n${answer}`)
    }
    await this.#answer(list, delivery, address, answers.length === 0 ? HELP(list.address) : answers.join('\n\n'))
  }

  async #command(list: MailingList, address: string, line: string): Promise<string | undefined> {
    const { membership, roster, tokens, clock } = this.#deps
    const [word = '', first = '', ...rest] = line.split(/\s+/)
    switch (word.toLowerCase()) {
      case 'help':
        return HELP(list.address)
      case 'info':
        return `${list.address}\n${list.settings.description}\n\n${list.settings.info}`
      case 'subscribe':
      case 'join': {
        const options = first === '' ? {} : readOption('delivery', first)
        return options && RESULTS[await membership.askToJoin(list, address, options)]
      }
      case 'unsubscribe':
      case 'leave':
      case 'signoff':
        return RESULTS[await membership.askToLeave(list, address)]
      case 'set': {
        const options = readOption(first, rest.join(' '), clock.now())
        return options && RESULTS[await membership.askToSet(list, address, options)]
      }
      case 'which': {
        const lists: string[] = []
        for await (const one of roster.listsOf(address)) lists.push(one.address)
        return lists.length === 0 ? 'None.' : lists.join('\n')
      }
      case 'confirm': {
        const wish = await tokens.look(first)
        if (!wish || wish.action === 'decide' || wish.action === 'probe') return 'This token is not valid.'
        await tokens.use(first)
        return RESULTS[await membership.confirmed(wish)]
      }
      default:
        return undefined
    }
  }

  /** A reply to a request to confirm; of a moderator the first line is the decision. */
  async #confirm({ mailing: list, detail }: Target, delivery: Delivery, address: string): Promise<void> {
    const { tokens, membership } = this.#deps
    const wish = await tokens.look(detail)
    if (!wish || wish.list !== list.address) {
      if (await this.#mayReply(address))
        await this.#answer(list, delivery, address, 'This request has expired or is done.')
      return
    }
    if (wish.action === 'decide') return this.#decide(list, delivery, detail, wish)
    if (wish.action === 'probe' || wish.action === 'options') return
    await tokens.use(detail)
    const result = await membership.confirmed(wish)
    if (result === 'closed' || result === 'waiting') await this.#answer(list, delivery, address, RESULTS[result])
  }

  async #decide(
    list: MailingList,
    delivery: Delivery,
    token: string,
    wish: { readonly address: string; readonly held: string },
  ): Promise<void> {
    const { moderation, tokens } = this.#deps
    if (!moderatorsOf(list).includes(wish.address)) return
    const [line = ''] = await linesOf(delivery.message)
    const [word = '', ...rest] = line.split(/\s+/)
    const decision = DECISIONS.find((one) => one === word.toLowerCase()) as Decision | undefined
    if (!decision)
      return this.#answer(list, delivery, wish.address, `The first line must be one of: ${DECISIONS.join(', ')}.`)
    const isDone = await moderation.decide(list, wish.held, decision, rest.join(' '))
    await tokens.use(token)
    if (!isDone) await this.#answer(list, delivery, wish.address, 'The message is no longer held.')
  }

  async #forward({ mailing: list }: Target, delivery: Delivery): Promise<Reply> {
    const owners = list.settings.owners.length > 0 ? list.settings.owners : list.settings.moderators
    const loop = roleAddress(list.address, 'owner')
    const isLoop = delivery.headers.get('x-loop').some((value) => value.trim().toLowerCase() === loop)
    if (owners.length === 0 || isLoop) return refuse(550, '5.1.1', 'The list has no owner').reply
    delivery.headers.prepend('X-Loop', loop)
    const { reply } = await this.#deps.submit({
      from: delivery.message.from === '' ? '' : roleAddress(list.address, 'bounces'),
      to: owners,
      content: delivery,
      once: `owner/${delivery.id}`,
    })
    return reply.code < 300 ? TAKEN : reply
  }
}

const COMMAND = /^(?:help|info|subscribe|join|unsubscribe|leave|signoff|set|which|confirm)\b/i
