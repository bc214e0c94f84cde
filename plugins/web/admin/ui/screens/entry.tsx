/**
 * One entry of the directory beside its list, and the dialog that adds one.
 */
import { type FormEvent, useState } from 'react'
import { IconButton } from '../../../app/ui/button.tsx'
import { Dialog } from '../../../app/ui/dialog.tsx'
import { api } from '../api.ts'
import { initials, moment, size } from '../format.ts'
import { Copy, Facts, Failed, Ghost } from '../parts.tsx'
import { hrefOf, useShell } from '../shell.ts'
import { useApi } from '../use-api.ts'
import type { Kind } from './people.tsx'

interface Entry {
  readonly id: string
  readonly kind: Kind
  readonly name?: string
  readonly match?: string
  readonly path?: string
  readonly displayName?: string
  readonly addresses?: readonly string[]
  readonly targets?: readonly string[]
  readonly target?: { readonly channel: string; readonly nexthop: string }
  readonly roles?: readonly string[]
  readonly status?: string
  readonly quota?: number
  readonly forward?: { readonly to: readonly string[]; readonly keep: boolean }
  readonly mayRelay?: boolean
  readonly sendAs?: readonly string[]
  readonly senders?: string
  readonly hasPassword?: boolean
}
interface Answer {
  readonly entry: Entry
  readonly groups?: readonly { readonly id: string; readonly name: string }[]
  readonly members?: readonly {
    readonly id?: string
    readonly name?: string
    readonly address?: string
    readonly path?: string
  }[]
  readonly usage?: { readonly octets: number; readonly messages: number } | null
  readonly appPasswords?: readonly { readonly name: string }[]
  readonly hasSecondFactor?: boolean
  readonly history: readonly {
    readonly at: number
    readonly by: string
    readonly what: string
    readonly fields: object
  }[]
}

const GB = 1e9
const listOf = (text: unknown): string[] =>
  String(text ?? '')
    .split(/[\s,;]+/)
    .filter(Boolean)

/** The fields of the form of a kind, as the API takes them. */
function fieldsOf(kind: Kind, form: FormData, isAdmin: boolean): Record<string, unknown> {
  const text = (name: string) => String(form.get(name) ?? '').trim()
  if (kind === 'alias') return { match: text('match'), targets: listOf(form.get('targets')) }
  if (kind === 'route') {
    const [channel = '', ...rest] = text('target').split(':')
    return { match: text('match'), target: { channel, nexthop: rest.join(':') } }
  }
  if (kind === 'unit') return { path: text('path') }
  if (kind === 'group')
    return { name: text('name'), addresses: listOf(form.get('addresses')), senders: text('senders') || 'accounts' }
  const forward = listOf(form.get('forward'))
  const quota = text('quota') === '' ? null : Math.round(Number(text('quota')) * GB)
  return {
    name: text('name'),
    displayName: text('displayName') || null,
    addresses: listOf(form.get('addresses')),
    status: text('status') || 'active',
    quota,
    forward: forward.length > 0 ? { to: forward, keep: form.get('keep') === 'on' } : null,
    ...(isAdmin ? { roles: listOf(form.get('roles')), mayRelay: form.get('mayRelay') === 'on' } : {}),
    ...(text('password') ? { password: text('password') } : {}),
  }
}

const Text = ({
  name,
  label,
  value,
  hint,
  isNeeded,
  type = 'text',
}: {
  readonly name: string
  readonly label: string
  readonly value?: string | undefined
  readonly hint?: string
  readonly isNeeded?: boolean
  readonly type?: string
}) => (
  <div className="field">
    <label htmlFor={`entry-${name}`}>{label}</label>
    <input
      id={`entry-${name}`}
      name={name}
      type={type}
      defaultValue={value}
      required={isNeeded}
      autoComplete={type === 'password' ? 'new-password' : 'off'}
      spellCheck={false}
      aria-describedby={hint ? `entry-${name}-hint` : undefined}
    />
    {hint ? (
      <span className="hint" id={`entry-${name}-hint`}>
        {hint}
      </span>
    ) : null}
  </div>
)

function Fields({
  kind,
  entry,
  domains = [],
}: {
  readonly kind: Kind
  readonly entry?: Entry
  readonly domains?: readonly string[]
}) {
  const { may } = useShell()
  const example = domains[0] ?? 'example.org'
  if (kind === 'alias')
    return (
      <>
        <Text
          name="match"
          label="Address"
          value={entry?.match}
          isNeeded
          hint={`info@${example}, sales-*@${example} or *@${example}`}
        />
        <Text
          name="targets"
          label="Goes to"
          value={entry?.targets?.join(', ')}
          isNeeded
          hint="Addresses, with commas between them"
        />
      </>
    )
  if (kind === 'route')
    return (
      <>
        <Text name="match" label="For" value={entry?.match} isNeeded hint="An address, a domain, *.domain or *" />
        <Text
          name="target"
          label="Goes to"
          value={entry?.target ? `${entry.target.channel}:${entry.target.nexthop}` : ''}
          isNeeded
          hint="channel:nexthop, such as outgoing:mail.example.net"
        />
      </>
    )
  if (kind === 'unit')
    return <Text name="path" label="Path" value={entry?.path} isNeeded hint="sales, or sales/europe" />
  if (kind === 'group')
    return (
      <>
        <Text name="name" label="Name" value={entry?.name} isNeeded />
        <Text
          name="addresses"
          label="Addresses"
          value={entry?.addresses?.join(', ')}
          hint="Without one the group serves access rights only"
        />
        <div className="field">
          <label htmlFor="entry-senders">Who may write to it</label>
          <select id="entry-senders" name="senders" defaultValue={entry?.senders ?? 'accounts'}>
            <option value="anyone">Anyone</option>
            <option value="accounts">Accounts of this server</option>
            <option value="members">Members</option>
          </select>
        </div>
      </>
    )
  return (
    <>
      <Text name="name" label="Login name" value={entry?.name} isNeeded />
      <Text name="displayName" label="Full name" value={entry?.displayName} />
      <Text
        name="addresses"
        label="Addresses"
        value={entry?.addresses?.join(', ')}
        isNeeded
        hint={`The first is the primary one, such as ann@${example}`}
      />
      <Text
        name="password"
        label={entry ? 'New password' : 'Password'}
        type="password"
        {...(entry ? { hint: entry.hasPassword ? 'Empty keeps the one that is set' : 'None is set' } : {})}
      />
      <Text
        name="quota"
        label="Storage in GB"
        value={entry?.quota === undefined ? '' : String(entry.quota / GB)}
        hint="Empty for no limit"
      />
      <Text name="forward" label="Forward to" value={entry?.forward?.to.join(', ')} />
      <label className="row">
        <input type="checkbox" className="cb" name="keep" defaultChecked={entry?.forward?.keep ?? true} />
        Keep a copy of forwarded mail
      </label>
      {entry ? (
        <div className="field">
          <label htmlFor="entry-status">State</label>
          <select id="entry-status" name="status" defaultValue={entry.status}>
            <option value="active">Active</option>
            <option value="suspended">Suspended: gets mail, cannot log in</option>
            <option value="disabled">Disabled: gets no mail, cannot log in</option>
          </select>
        </div>
      ) : null}
      {may('admin') ? (
        <>
          <Text
            name="roles"
            label="Roles"
            value={entry?.roles?.join(', ')}
            hint="admin, support, domain-admin:example.org"
          />
          <label className="row">
            <input type="checkbox" className="cb" name="mayRelay" defaultChecked={entry?.mayRelay ?? true} />
            May send to other servers
          </label>
        </>
      ) : null}
    </>
  )
}

export function AddEntry({
  kind,
  domains,
  onClose,
  onDone,
}: {
  readonly kind: Kind
  readonly domains: readonly string[]
  onClose(): void
  onDone(id: string): void
}) {
  const { may, say } = useShell()
  const [error, setError] = useState('')
  const submit = async (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault()
    const given = Object.entries(fieldsOf(kind, new FormData(event.currentTarget), may('admin')))
    try {
      const body = Object.fromEntries(given.filter(([, value]) => value !== null))
      const { id } = await api<Entry>('POST', `/api/v1/directory/${kind}`, body)
      say('Added')
      onDone(id)
    } catch (cause) {
      setError((cause as Error).message)
    }
  }
  return (
    <Dialog title={kind === 'account' || kind === 'alias' ? `Add an ${kind}` : `Add a ${kind}`} onClose={onClose}>
      <form className="sform" onSubmit={(event) => void submit(event)}>
        <Fields kind={kind} domains={domains} />
        {error ? (
          <p className="note bad" role="alert">
            {error}
          </p>
        ) : null}
        <footer>
          <button type="button" className="btn" onClick={onClose}>
            Cancel
          </button>
          <button type="submit" className="btn main">
            Add
          </button>
        </footer>
      </form>
    </Dialog>
  )
}

const titleOf = ({ displayName, name, match, path }: Entry): string => displayName ?? name ?? match ?? path ?? ''

export interface EntryPanelProps {
  readonly kind: Kind
  readonly id: string
  onChange(): void
  onClose(): void
}

export function EntryPanel({ kind, id, onChange, onClose }: EntryPanelProps) {
  const { may, say, sure } = useShell()
  const path = `/api/v1/directory/${kind}/${encodeURIComponent(id)}`
  const answer = useApi<Answer>(path)
  const [isEdited, setIsEdited] = useState(false)
  const [error, setError] = useState('')
  const attempt = async (act: () => Promise<unknown>, done: string) => {
    try {
      setError('')
      await act()
      say(done)
      answer.reload()
      onChange()
      return true
    } catch (cause) {
      setError((cause as Error).message)
      return false
    }
  }
  const submit = async (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault()
    const fields = fieldsOf(kind, new FormData(event.currentTarget), may('admin'))
    if (await attempt(() => api('PATCH', path, fields), 'Saved')) setIsEdited(false)
  }
  const remove = async (name: string) => {
    const text = kind === 'account' ? 'The account is gone at once; its mailboxes stay.' : 'It is gone at once.'
    if (!(await sure({ title: `Delete ${name}?`, text, action: 'Delete' }))) return
    if (await attempt(() => api('DELETE', path), `${name} is deleted`)) onClose()
  }
  if (answer.error && !answer.data)
    return (
      <aside className="panel">
        <Failed error={answer.error} />
      </aside>
    )
  if (!answer.data)
    return (
      <aside className="panel" aria-label="Entry">
        <Ghost rows={5} />
      </aside>
    )
  const { entry } = answer.data
  const name = titleOf(entry)
  const isSuspended = entry.status === 'suspended'
  return (
    <aside className="panel" aria-label={name}>
      <header className="row">
        <span className="me big" aria-hidden="true">
          {initials(name)}
        </span>
        <div className="grow">
          <h2>{name}</h2>
          <p className="t2 cut">{entry.addresses?.[0] ?? ''}</p>
        </div>
        <IconButton icon="x" label="Close" onClick={onClose} />
      </header>
      {isSuspended ? <p className="note warn">Suspended: gets mail, but cannot log in.</p> : null}
      {error ? (
        <p className="note bad" role="alert">
          {error}
        </p>
      ) : null}
      {isEdited ? (
        <form className="sform" onSubmit={(event) => void submit(event)}>
          <Fields kind={kind} entry={entry} />
          <footer className="row">
            <button type="button" className="btn" onClick={() => setIsEdited(false)}>
              Cancel
            </button>
            <button type="submit" className="btn main">
              Save
            </button>
          </footer>
        </form>
      ) : (
        <>
          <Facts facts={factsOf(answer.data)} />
          {kind === 'group' ? (
            <Members answer={answer.data} onChange={(change) => attempt(() => api('PATCH', path, change), 'Saved')} />
          ) : null}
          <h3>Latest changes</h3>
          <ul className="rc">
            {answer.data.history.slice(0, 5).map(({ at, by, what, fields }) => (
              <li key={`${at} ${what}`}>
                <span className="cut grow">
                  {what} {Object.keys(fields).join(', ')}
                </span>
                <span className="t3 sm">
                  {by}, {moment(at)}
                </span>
              </li>
            ))}
          </ul>
          {may('people:change') ? (
            <footer className="row">
              <button type="button" className="btn" onClick={() => setIsEdited(true)}>
                Edit
              </button>
              {kind === 'account' ? (
                <button
                  type="button"
                  className="btn"
                  onClick={() =>
                    void attempt(
                      () => api('PATCH', path, { status: isSuspended ? 'active' : 'suspended' }),
                      isSuspended ? 'Active again' : 'Suspended',
                    )
                  }
                >
                  {isSuspended ? 'Activate' : 'Suspend'}
                </button>
              ) : null}
              <span className="grow" />
              <button type="button" className="btn plain bad" onClick={() => void remove(name)}>
                Delete…
              </button>
            </footer>
          ) : null}
        </>
      )}
    </aside>
  )
}

function factsOf({ entry, groups, usage, appPasswords, hasSecondFactor }: Answer) {
  const { addresses = [], roles = [], forward, quota, targets, target } = entry
  const facts: [string, string | React.ReactNode][] = []
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

function Members({ answer, onChange }: { readonly answer: Answer; onChange(change: object): Promise<unknown> }) {
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
