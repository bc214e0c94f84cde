/**
 * An account's rules for the web mail's form, through the Mailsort service.
 *
 * Invariants: a script that rules cannot express is shown and never overwritten unasked; stored scripts have been
 * compiled.
 */
import * as z from 'zod'
import { isScriptRefused, type MailsortApi, type Rules } from '../../mailbox/mailsort/api.ts'
import { type HttpApi, HttpProblem } from '../http/api.ts'

const texts = z.array(z.string().min(1).max(1000)).min(1).max(100)
const how = z.enum(['is', 'contains', 'matches', 'regex'])
const not = { not: z.boolean().optional() }
const condition = z.discriminatedUnion('kind', [
  z.strictObject({
    kind: z.literal('header'),
    fields: texts,
    how: z.enum(['is', 'contains', 'matches', 'regex', 'exists']),
    values: z.array(z.string().max(1000)).max(100),
    ...not,
  }),
  z.strictObject({
    kind: z.literal('address'),
    fields: texts,
    part: z.enum(['all', 'localpart', 'domain', 'user', 'detail']).optional(),
    how,
    values: texts,
    ...not,
  }),
  z.strictObject({ kind: z.literal('envelope'), which: z.enum(['from', 'to']), how, values: texts, ...not }),
  z.strictObject({ kind: z.literal('body'), how, values: texts, ...not }),
  z.strictObject({ kind: z.literal('size'), is: z.enum(['over', 'under']), octets: z.int().min(0), ...not }),
  z.strictObject({ kind: z.literal('attachment'), ...not }),
  z.strictObject({ kind: z.literal('spam'), atLeast: z.int().min(1).max(10), ...not }),
  z.strictObject({
    kind: z.literal('date'),
    is: z.enum(['ge', 'le']),
    date: z.union([z.iso.date(), z.iso.datetime()]),
    ...not,
  }),
])
const address = z.string().min(3).max(320)
const action = z.discriminatedUnion('kind', [
  z.strictObject({
    kind: z.enum(['fileinto', 'copy']),
    mailbox: z.string().min(1).max(255),
    create: z.boolean().optional(),
  }),
  z.strictObject({ kind: z.enum(['redirect', 'forward']), address }),
  z.strictObject({ kind: z.enum(['keep', 'discard']) }),
  z.strictObject({ kind: z.literal('flag'), flags: texts }),
  z.strictObject({ kind: z.literal('reject'), text: z.string().max(10_000) }),
  z.strictObject({
    kind: z.literal('vacation'),
    text: z.string().max(100_000),
    html: z.string().max(100_000).optional(),
    days: z.int().min(1).max(365).optional(),
    subject: z.string().max(500).optional(),
    from: address.optional(),
    addresses: z.array(address).max(100).optional(),
  }),
  z.strictObject({ kind: z.literal('notify'), address, message: z.string().max(1000).optional() }),
])
const rules = z
  .array(
    z.strictObject({
      name: z
        .string()
        .max(200)
        .regex(/^[^\r\n]*$/),
      isEnabled: z.boolean().optional(),
      match: z.enum(['all', 'any']),
      conditions: z.array(condition).max(50),
      actions: z.array(action).min(1).max(20),
      stops: z.boolean().optional(),
    }),
  )
  .max(200)

export function addRuleRoutes(http: HttpApi, mailsort: MailsortApi | undefined): void {
  http.route({
    method: 'GET',
    path: '/mail/api/rules',
    who: 'user',
    summary: 'Lists the rules of the account',
    async run({ login }) {
      const account = login.identity.account ?? ''
      if (!mailsort) return { isThere: false, rules: [], script: null }
      const { script, rules } = await mailsort.active(account)
      // Null: the script says more than a form can show.
      return { isThere: true, rules: script === undefined ? [] : (rules ?? null), script: script ?? null }
    },
  })
  http.route({
    method: 'PUT',
    path: '/mail/api/rules',
    who: 'user',
    summary: 'Replaces the rules of the account',
    body: z.strictObject({ rules, replacesScript: z.boolean().default(false) }),
    async run({ body, login }) {
      const account = login.identity.account ?? ''
      if (!mailsort) throw new HttpProblem(404, 'This server has no rules')
      const { replacesScript } = body
      const made = await mailsort.setRules(account, body.rules as Rules, { replacesScript })
      if (isScriptRefused(made)) throw new HttpProblem(made.refused === 'OWNSCRIPT' ? 409 : 400, made.why)
      return made
    },
  })
}
