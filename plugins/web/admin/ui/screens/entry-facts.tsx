/** Contents of an entry's panel: its facts, and the members of a group. */
import { type FormEvent, type ReactNode, useState } from 'react'
import { IconButton } from '../../../app/ui/button.tsx'
import { size } from '../format.ts'
import { Copy } from '../parts.tsx'
import { hrefOf, useShell } from '../shell.ts'
import type { EntryAnswer } from './directory.ts'
import { listOf } from './entry-form.tsx'

export function factsOf({ entry, groups, usage, appPasswords, hasSecondFactor }: EntryAnswer) {
  const { addresses = [], roles = [], forward, quota, targets, target } = entry
  const facts: [string, string | ReactNode][] = []
  if (entry.kind === 'account') facts.push(['Login', entry.name])
  if (addresses.length > 1) facts.push(['Also', addresses.slice(1).join(', ')])
  if (entry.kind === 'account') {
    facts.push([
      'Storage',
      `${size(usage?.octets ?? 0)}${quota ? ` of ${size(quota)}` : ''}, ${usage?.messages ?? 0} messages`,
    ])
    facts.push(['Roles', roles.join(', ') || 'none'])
    facts.push([
      'Groups',
      groups && groups.length > 0
        ? groups.map(({ id, name }) => (
            <a key={id} href={hrefOf('people', 'group', id)}>
              {name}{' '}
            </a>
          ))
        : 'none',
    ])
    facts.push(['Forwards', forward ? `${forward.to.join(', ')}${forward.keep ? ', keeps a copy' : ''}` : 'nowhere'])
    const programs = appPasswords?.length ?? 0
    facts.push([
      'Sign-in',
      `${entry.hasPassword ? 'Password' : 'No password'}${hasSecondFactor ? ', second factor' : ''}${programs > 0 ? `, ${programs} app passwords` : ''}`,
    ])
  }
  if (entry.kind === 'group') facts.push(['Senders', entry.senders ?? ''])
  if (targets) facts.push(['Goes to', targets.join(', ')])
  if (target) facts.push(['Goes to', `${target.channel}:${target.nexthop}`])
  facts.push(['Id', <Copy key="id" text={entry.id} label="Copy the id" />])
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
      <h3>Members</h3>
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
                  label={`Remove ${name}`}
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
            aria-label="Addresses of new members"
            value={text}
            onChange={({ target }) => setText(target.value)}
            placeholder="Addresses"
          />
          <button type="submit" className="btn">
            Add
          </button>
        </form>
      ) : null}
    </>
  )
}
