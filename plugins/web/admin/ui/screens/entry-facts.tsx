/** Contents of an entry's panel: its facts, and the members of a group. */

import { type FormEvent, type ReactNode, useState } from 'react'
import { IconButton } from '../../../app/ui/button.tsx'
import { t } from '../../../app/ui/language.ts'
import { plural, size } from '../format.ts'
import { Copy } from '../parts.tsx'
import { hrefOf, useShell } from '../shell.ts'
import type { EntryAnswer } from './directory.ts'
import { listOf } from './entry-form.tsx'

export function factsOf({ entry, groups, usage, appPasswords, hasSecondFactor }: EntryAnswer) {
  const { addresses = [], roles = [], forward, quota, targets, target } = entry
  const facts: [string, string | ReactNode][] = []
  if (entry.kind === 'account') facts.push([t('Login'), entry.name])
  if (addresses.length > 1) facts.push([t('Also'), addresses.slice(1).join(', ')])
  if (entry.kind === 'account') {
    facts.push([
      t('Storage'),
      `${quota ? t('{{used}} of {{quota}}', { used: size(usage?.octets ?? 0), quota: size(quota) }) : size(usage?.octets ?? 0)}, ${plural(usage?.messages ?? 0, '{{number}} message', '{{number}} messages')}`,
    ])
    facts.push([t('Roles'), roles.join(', ') || t('none')])
    facts.push([
      t('Groups'),
      groups && groups.length > 0
        ? groups.map(({ id, name }) => (
            <a key={id} href={hrefOf('people', 'group', id)}>
              {name}{' '}
            </a>
          ))
        : t('none'),
    ])
    facts.push([
      t('Forwards'),
      forward ? `${forward.to.join(', ')}${forward.keep ? t(', keeps a copy') : ''}` : t('nowhere'),
    ])
    const programs = appPasswords?.length ?? 0
    facts.push([
      t('Sign-in'),
      [
        entry.hasPassword ? t('Password') : t('No password'),
        ...(hasSecondFactor ? [t('second factor')] : []),
        ...(programs > 0 ? [plural(programs, '{{number}} app password', '{{number}} app passwords')] : []),
      ].join(', '),
    ])
  }
  if (entry.kind === 'group') facts.push([t('Senders'), entry.senders ?? ''])
  if (targets) facts.push([t('Goes to'), targets.join(', ')])
  if (target) facts.push([t('Goes to'), `${target.channel}:${target.nexthop}`])
  facts.push([t('Id'), <Copy key="id" text={entry.id} label={t('Copy the id')} />])
  return facts
}

export function Members({
  answer,
  onChange,
}: {
  readonly answer: EntryAnswer
  onChange(change: object): Promise<unknown>
}) {
  const { may } = useShell()
  const [text, setText] = useState('')
  const add = async (event: FormEvent) => {
    event.preventDefault()
    await onChange({ addMembers: listOf(text).map((address) => ({ address })) })
    setText('')
  }
  return (
    <>
      <h3>{t('Members')}</h3>
      <ul className="rc">
        {(answer.members ?? []).map((member) => {
          const name = member.name ?? member.address ?? member.path ?? ''
          const { name: _, ...reference } = member
          return (
            <li key={member.id ?? name}>
              <span className="cut grow">{name}</span>
              {may('people:change') ? (
                <IconButton
                  icon="x"
                  small
                  label={t('Remove {{name}}', { name })}
                  onClick={() => void onChange({ removeMembers: [reference] })}
                />
              ) : null}
            </li>
          )
        })}
      </ul>
      {may('people:change') ? (
        <form className="row" onSubmit={(event) => void add(event)}>
          <input
            className="input"
            aria-label={t('Addresses of new members')}
            value={text}
            onChange={({ target }) => setText(target.value)}
            placeholder={t('Addresses')}
          />
          <button type="submit" className="btn">
            {t('Add')}
          </button>
        </form>
      ) : null}
    </>
  )
}
