/**
 * VacationResponse (RFC 8621 section 8): the vacation reply of an account's rules as one object.
 *
 * Invariants: it is the same rule that web mail shows; other rules stay as they are; a script that was written in Sieve
 * is not replaced.
 */
import { createHash } from 'node:crypto'
import { fromHtml } from 'iems/mime'
import * as z from 'zod'
import {
  type JmapApi,
  type JmapCall,
  MethodError,
  ObjectError,
  type ObjectType,
  type Patch,
  patched,
} from '../../../web/jmap/api.ts'
import { isScriptRefused, type MailsortApi, type Rule, type Rules, type VacationRule } from '../api.ts'

const VACATION = 'urn:ietf:params:jmap:vacationresponse'
const SINGLETON = 'singleton'
const MAX_TEXT = 100_000

const date = z.iso.datetime().nullable()
const response = z.strictObject({
  isEnabled: z.boolean(),
  fromDate: date,
  toDate: date,
  subject: z.string().max(500).nullable(),
  textBody: z.string().max(MAX_TEXT).nullable(),
  htmlBody: z.string().max(MAX_TEXT).nullable(),
})
type Response = z.output<typeof response>
const PROPERTIES = ['id', ...Object.keys(response.shape)]

const isVacation = ({ kind }: Rule['actions'][number]): boolean => kind === 'vacation'

export function addVacation(jmap: JmapApi, sort: MailsortApi): void {
  jmap.capability(VACATION, { session: {}, account: (account, own) => (account === own ? {} : undefined) })
  jmap.objects('VacationResponse', vacationType(sort))
}

function vacationType(sort: MailsortApi): ObjectType {
  const requireOwn = (account: string, call: JmapCall) => {
    if (account !== call.own) throw new MethodError('accountNotFound')
  }
  return {
    capability: VACATION,
    properties: PROPERTIES,
    async state(account, call) {
      requireOwn(account, call)
      const { script = '' } = await sort.active(account)
      return createHash('sha256').update(script).digest('base64url').slice(0, 22)
    },
    async get({ account, ids }, call) {
      requireOwn(account, call)
      if (ids !== undefined && !ids.includes(SINGLETON)) return []
      return [{ id: SINGLETON, ...responseOf((await sort.active(account)).rules ?? []) }]
    },
    create: async () => {
      throw new ObjectError('singleton')
    },
    async update(account, id, patch, call) {
      requireOwn(account, call)
      if (id !== SINGLETON) throw new ObjectError('notFound')
      const { rules = [] } = await sort.active(account)
      const wanted = readResponse(responseOf(rules), patch)
      const made = await sort.setRules(account, withResponse(rules, wanted))
      if (isScriptRefused(made))
        throw new ObjectError(made.refused === 'OWNSCRIPT' ? 'forbidden' : 'invalidProperties', made.why)
      const now = responseOf((await sort.active(account)).rules ?? [])
      const changed = Object.entries(now).filter(([name, value]) => value !== wanted[name as keyof Response])
      return changed.length === 0 ? null : Object.fromEntries(changed)
    },
    destroy: async () => {
      throw new ObjectError('singleton')
    },
  }
}

/** The first rule that only sends a reply, in certain times. */
const ruleOf = (rules: Rules): Rule | undefined =>
  rules.find(({ actions, conditions }) => actions.some(isVacation) && conditions.every(({ kind }) => kind === 'date'))

function responseOf(rules: Rules): Response {
  const rule = ruleOf(rules)
  const action = rule?.actions.find(isVacation) as VacationRule | undefined
  const dateOf = (wanted: 'ge' | 'le') => {
    for (const one of rule?.conditions ?? [])
      if (one.kind === 'date' && one.is === wanted)
        return one.date.includes('T') ? one.date : `${one.date}T${wanted === 'ge' ? '00:00:00' : '23:59:59'}Z`
    return null
  }
  return {
    isEnabled: rule !== undefined && rule.isEnabled !== false,
    fromDate: dateOf('ge'),
    toDate: dateOf('le'),
    subject: action?.subject ?? null,
    textBody: action?.text || null,
    htmlBody: action?.html ?? null,
  }
}

function readResponse(before: Response, patch: Patch): Response {
  const { id: _, ...given } = patched({ id: SINGLETON, ...before }, patch)
  // A null in a patch removes the property.
  const whole = { ...Object.fromEntries(Object.keys(response.shape).map((name) => [name, null])), ...given }
  const read = response.safeParse(whole)
  if (!read.success) {
    const properties = read.error.issues.map(({ path, ...issue }) =>
      String(path[0] ?? (issue as { keys?: string[] }).keys?.[0] ?? ''),
    )
    throw new ObjectError('invalidProperties', read.error.issues[0]?.message, { properties: [...new Set(properties)] })
  }
  const { isEnabled, textBody, htmlBody } = read.data
  if (isEnabled && !textBody && !htmlBody)
    throw new ObjectError('invalidProperties', 'The reply has no text', { properties: ['textBody'] })
  return read.data
}

const seconds = (time: string) => `${time.slice(0, 19)}Z`

/** The reply comes first, so that no rule that stops the others prevents it. */
function withResponse(rules: Rules, { isEnabled, fromDate, toDate, subject, textBody, htmlBody }: Response): Rules {
  const before = ruleOf(rules)
  const others = rules.filter((rule) => rule !== before)
  if (!isEnabled && !textBody && !htmlBody && subject === null && fromDate === null && toDate === null) return others
  const { html: _, subject: __, ...kept } = (before?.actions.find(isVacation) ?? {}) as Partial<VacationRule>
  return [
    {
      name: before?.name ?? 'Vacation',
      ...(isEnabled ? {} : { isEnabled: false }),
      match: 'all',
      conditions: [
        ...(fromDate === null ? [] : [{ kind: 'date', is: 'ge', date: seconds(fromDate) } as const]),
        ...(toDate === null ? [] : [{ kind: 'date', is: 'le', date: seconds(toDate) } as const]),
      ],
      actions: [
        {
          ...kept,
          kind: 'vacation',
          text: textBody ?? fromHtml(htmlBody ?? ''),
          ...(htmlBody === null ? {} : { html: htmlBody }),
          ...(subject === null ? {} : { subject }),
        },
      ],
    },
    ...others,
  ]
}
