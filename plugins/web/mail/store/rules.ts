/**
 * Rules and the answer while one is away, as the form edits them. Other rules pass through unchanged.
 */
export interface Condition {
  readonly kind: string
  readonly fields?: readonly string[]
  readonly how?: string
  readonly values?: readonly string[]
  readonly [more: string]: unknown
}

export interface RuleAction {
  readonly kind: string
  readonly mailbox?: string
  readonly address?: string
  readonly flags?: readonly string[]
  readonly text?: string
  readonly subject?: string
  readonly [more: string]: unknown
}

export interface Rule {
  readonly name: string
  readonly isEnabled?: boolean
  readonly match: 'all' | 'any'
  readonly conditions: readonly Condition[]
  readonly actions: readonly RuleAction[]
  readonly stops?: boolean
}

export interface RulesAnswer {
  readonly isThere: boolean
  /** Null: the script says more than rules can. */
  readonly rules: readonly Rule[] | null
  readonly script: string | null
}

export const isVacation = ({ actions }: Rule): boolean => actions.some(({ kind }) => kind === 'vacation')

export interface Vacation {
  readonly isOn: boolean
  readonly subject: string
  readonly text: string
  /** `2026-12-24`, or empty. */
  readonly from: string
  readonly until: string
}

export function vacationOf(rules: readonly Rule[]): Vacation {
  const rule = rules.find(isVacation)
  const action = rule?.actions.find(({ kind }) => kind === 'vacation')
  const date = (is: string) =>
    String(rule?.conditions.find((condition) => condition.kind === 'date' && condition.is === is)?.date ?? '').slice(
      0,
      10,
    )
  return {
    isOn: rule !== undefined && rule.isEnabled !== false,
    subject: action?.subject ?? '',
    text: action?.text ?? '',
    from: date('ge'),
    until: date('le'),
  }
}

/** The vacation comes first, so that no rule that stops the others prevents it. */
export function withVacation(rules: readonly Rule[], vacation: Vacation, addresses: readonly string[]): Rule[] {
  const { isOn, subject, text, from, until } = vacation
  const others = rules.filter((rule) => !isVacation(rule))
  if (!isOn && text.trim() === '') return others
  const rule: Rule = {
    name: 'Vacation',
    ...(isOn ? {} : { isEnabled: false }),
    match: 'all',
    conditions: [
      ...(from === '' ? [] : [{ kind: 'date', is: 'ge', date: from }]),
      ...(until === '' ? [] : [{ kind: 'date', is: 'le', date: until }]),
    ],
    actions: [{ kind: 'vacation', text, ...(subject === '' ? {} : { subject }), addresses }],
  }
  return [rule, ...others]
}

async function answerOf<T>(response: Response): Promise<T> {
  if (response.ok) return (await response.json()) as T
  const { detail } = (await response.json().catch(() => ({}))) as { detail?: string }
  throw new Error(detail ?? `${response.status}`)
}

export const loadRules = async (): Promise<RulesAnswer> => answerOf(await fetch('/mail/api/rules'))

export async function saveRules(rules: readonly Rule[], replacesScript: boolean): Promise<string> {
  const response = await fetch('/mail/api/rules', {
    method: 'PUT',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ rules, replacesScript }),
  })
  return (await answerOf<{ script: string }>(response)).script
}
