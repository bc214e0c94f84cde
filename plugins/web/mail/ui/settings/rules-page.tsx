/**
 * Rules: a list in their order, and the form of one. Parts of a rule that the form cannot show stay unchanged.
 */
import { useState } from 'react'
import { IconButton } from '../../../app/ui/button.tsx'
import { Icon } from '../../../app/ui/icon.tsx'
import { t } from '../../../app/ui/language.ts'
import type { Condition, Rule, RuleAction } from '../../store/rules.ts'
import { useApplication } from '../application.ts'
import { mailboxPath } from '../format.ts'
import { Page, type RulesProps } from './page.tsx'

const FIELDS = ['from', 'to', 'subject', 'list-id', 'body', 'attachment'] as const
type Field = (typeof FIELDS)[number]
const HOWS = ['contains', 'is', 'matches'] as const
const ACTIONS = ['fileinto', 'star', 'seen', 'forward', 'discard'] as const
type ActionName = (typeof ACTIONS)[number]

const NEW_RULE: Rule = {
  name: '',
  match: 'all',
  conditions: [{ kind: 'address', fields: ['from'], how: 'contains', values: [''] }],
  actions: [{ kind: 'fileinto', mailbox: 'Archive' }],
}

const fieldOf = ({ kind, fields }: Condition): Field | undefined =>
  kind === 'body' || kind === 'attachment' ? kind : FIELDS.find((field) => fields?.length === 1 && fields[0] === field)

function conditionOf(field: Field, { how = 'contains', values = [''] }: Condition): Condition {
  if (field === 'attachment') return { kind: 'attachment' }
  if (field === 'body') return { kind: 'body', how, values }
  if (field === 'from' || field === 'to') return { kind: 'address', fields: [field], how, values }
  return { kind: 'header', fields: [field], how, values }
}

function actionName({ kind, flags }: RuleAction): ActionName | undefined {
  if (kind === 'flag') return flags?.[0] === '\\Flagged' ? 'star' : flags?.[0] === '\\Seen' ? 'seen' : undefined
  return ACTIONS.find((name) => name === kind)
}

function actionOf(name: ActionName): RuleAction {
  if (name === 'star' || name === 'seen') return { kind: 'flag', flags: [name === 'star' ? '\\Flagged' : '\\Seen'] }
  if (name === 'fileinto') return { kind: 'fileinto', mailbox: 'Archive' }
  return name === 'forward' ? { kind: 'forward', address: '' } : { kind: 'discard' }
}

export function RulesPage({ rules: stored, script, save }: RulesProps) {
  const [rules, setRules] = useState(stored)
  const [at, setAt] = useState(0)
  const rule = rules[at]
  const change = (index: number, patch: Partial<Rule>) =>
    setRules(rules.map((one, other) => (other === index ? { ...one, ...patch } : one)))
  const add = () => {
    setRules([...rules, { ...NEW_RULE, name: t('rules.name.new') }])
    setAt(rules.length)
  }
  const move = (by: number) => {
    const next = [...rules]
    const [taken] = next.splice(at, 1)
    if (taken) next.splice(at + by, 0, taken)
    setRules(next)
    setAt(at + by)
  }
  return (
    <Page
      title={t('settings.rules')}
      end={
        <>
          <button type="button" className="btn" onClick={add}>
            <Icon name="plus" />
            {t('rules.new')}
          </button>
          <button type="button" className="btn main" onClick={() => void save(rules)}>
            {t('settings.save')}
          </button>
        </>
      }
    >
      <div className="rules-page">
        <ol className="rules-list">
          {rules.map((one, index) => (
            // biome-ignore lint/suspicious/noArrayIndexKey: rules have no id; the place is what they are
            <li key={index} className={index === at ? 'current' : ''}>
              <input
                type="checkbox"
                className="sw"
                checked={one.isEnabled !== false}
                aria-label={t('rules.on', { name: one.name })}
                onChange={({ target }) => change(index, { isEnabled: target.checked })}
              />
              <button
                type="button"
                className="name cut"
                aria-current={index === at ? 'true' : undefined}
                onClick={() => setAt(index)}
              >
                {one.name}
              </button>
            </li>
          ))}
        </ol>
        {rule ? (
          <div className="settings-form">
            <div className="field">
              <label htmlFor="rule-name">{t('rules.name')}</label>
              <input
                id="rule-name"
                value={rule.name}
                maxLength={200}
                onChange={({ target }) => change(at, { name: target.value })}
              />
            </div>
            <Conditions rule={rule} onChange={(patch) => change(at, patch)} />
            <Actions rule={rule} onChange={(patch) => change(at, patch)} />
            <label className="row">
              <input
                type="checkbox"
                checked={rule.stops === true}
                onChange={({ target }) => change(at, { stops: target.checked })}
              />
              <span>{t('rules.stop')}</span>
            </label>
            <p className="row">
              <IconButton icon="up" small label={t('rules.earlier')} disabled={at === 0} onClick={() => move(-1)} />
              <IconButton
                icon="down"
                small
                label={t('rules.later')}
                disabled={at >= rules.length - 1}
                onClick={() => move(1)}
              />
              <IconButton
                icon="trash"
                small
                label={t('rules.remove', { name: rule.name })}
                onClick={() => {
                  setRules(rules.filter((one) => one !== rule))
                  setAt(Math.max(0, at - 1))
                }}
              />
            </p>
            {script === '' ? null : (
              <details>
                <summary>Sieve</summary>
                <pre className="sieve">{script}</pre>
              </details>
            )}
          </div>
        ) : (
          <div className="settings-form">
            <p className="t2">{t('rules.empty')}</p>
          </div>
        )}
      </div>
    </Page>
  )
}

interface PartProps {
  readonly rule: Rule
  onChange(patch: Partial<Rule>): void
}

function Conditions({ rule, onChange }: PartProps) {
  const set = (index: number, next: Condition) =>
    onChange({ conditions: rule.conditions.map((one, other) => (other === index ? next : one)) })
  return (
    <fieldset>
      <legend>{t('rules.if')}</legend>
      <select
        aria-label={t('rules.match')}
        value={rule.match}
        onChange={({ target }) => onChange({ match: target.value as Rule['match'] })}
      >
        <option value="all">{t('rules.all')}</option>
        <option value="any">{t('rules.any')}</option>
      </select>
      {rule.conditions.map((condition, index) => {
        const field = fieldOf(condition)
        return (
          // biome-ignore lint/suspicious/noArrayIndexKey: conditions have no id; the place is what they are
          <div key={index} className="cond">
            {field === undefined ? (
              <span className="t2">{t('rules.other', { kind: condition.kind })}</span>
            ) : (
              <select
                aria-label={t('rules.what')}
                value={field}
                onChange={({ target }) => set(index, conditionOf(target.value as Field, condition))}
              >
                {FIELDS.map((one) => (
                  <option key={one} value={one}>
                    {t(`rules.field.${one}`)}
                  </option>
                ))}
              </select>
            )}
            {field === undefined || field === 'attachment' ? null : (
              <>
                <select
                  aria-label={t('rules.how')}
                  value={condition.how}
                  onChange={({ target }) => set(index, { ...condition, how: target.value })}
                >
                  {[...new Set<string>([...HOWS, condition.how ?? 'is'])].map((one) => (
                    <option key={one} value={one}>
                      {t(`rules.how.${one}`)}
                    </option>
                  ))}
                </select>
                <input
                  className="input"
                  aria-label={t('rules.value')}
                  value={(condition.values ?? []).join(', ')}
                  onChange={({ target }) => set(index, { ...condition, values: [target.value] })}
                />
              </>
            )}
            <IconButton
              icon="x"
              small
              label={t('rules.remove-condition')}
              onClick={() => onChange({ conditions: rule.conditions.filter((one) => one !== condition) })}
            />
          </div>
        )
      })}
      <button
        type="button"
        className="btn link"
        onClick={() => onChange({ conditions: [...rule.conditions, ...NEW_RULE.conditions] })}
      >
        {t('rules.add-condition')}
      </button>
    </fieldset>
  )
}

function Actions({ rule, onChange }: PartProps) {
  const { store } = useApplication()
  const set = (index: number, next: RuleAction) =>
    onChange({ actions: rule.actions.map((one, other) => (other === index ? next : one)) })
  const paths = [...store.mailboxes.values()].map((mailbox) => mailboxPath(mailbox, store.mailboxes))
  return (
    <fieldset>
      <legend>{t('rules.then')}</legend>
      {rule.actions.map((action, index) => {
        const name = actionName(action)
        return (
          // biome-ignore lint/suspicious/noArrayIndexKey: actions have no id; the place is what they are
          <div key={index} className="cond act">
            {name === undefined ? (
              <span className="t2">{t('rules.other', { kind: action.kind })}</span>
            ) : (
              <select
                aria-label={t('rules.action')}
                value={name}
                onChange={({ target }) => set(index, actionOf(target.value as ActionName))}
              >
                {ACTIONS.map((one) => (
                  <option key={one} value={one}>
                    {t(`rules.action.${one}`)}
                  </option>
                ))}
              </select>
            )}
            {name === 'fileinto' ? (
              <select
                className="value"
                aria-label={t('rules.mailbox')}
                value={action.mailbox}
                onChange={({ target }) => set(index, { ...action, mailbox: target.value })}
              >
                {[...new Set([...paths, action.mailbox ?? ''])].map((path) => (
                  <option key={path}>{path}</option>
                ))}
              </select>
            ) : name === 'forward' ? (
              <input
                className="input"
                type="email"
                aria-label={t('rules.address')}
                value={action.address}
                onChange={({ target }) => set(index, { ...action, address: target.value })}
              />
            ) : (
              <span className="value" />
            )}
            <IconButton
              icon="x"
              small
              disabled={rule.actions.length === 1}
              label={t('rules.remove-action')}
              onClick={() => onChange({ actions: rule.actions.filter((one) => one !== action) })}
            />
          </div>
        )
      })}
      <button
        type="button"
        className="btn link"
        onClick={() => onChange({ actions: [...rule.actions, actionOf('star')] })}
      >
        {t('rules.add-action')}
      </button>
    </fieldset>
  )
}
