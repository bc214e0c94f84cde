/** The form of an entry: its fields by kind, and their values as the API takes them. */
import { t } from '../../../app/ui/language.ts'
import { useShell } from '../shell.ts'
import type { Entry, Kind } from './directory.ts'

const GB = 1e9
export const listOf = (text: unknown): string[] =>
  String(text ?? '')
    .split(/[\s,;]+/)
    .filter(Boolean)

/** The fields of the form of a kind, as the API takes them. */
export function fieldsOf(kind: Kind, form: FormData, isAdmin: boolean): Record<string, unknown> {
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

export function Fields({
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
          label={t('Address')}
          value={entry?.match}
          isNeeded
          hint={t('info@{{domain}}, sales-*@{{domain}} or *@{{domain}}', { domain: example })}
        />
        <Text
          name="targets"
          label={t('Goes to')}
          value={entry?.targets?.join(', ')}
          isNeeded
          hint={t('Addresses, with commas between them')}
        />
      </>
    )
  if (kind === 'route')
    return (
      <>
        <Text
          name="match"
          label={t('For')}
          value={entry?.match}
          isNeeded
          hint={t('An address, a domain, *.domain or *')}
        />
        <Text
          name="target"
          label={t('Goes to')}
          value={entry?.target ? `${entry.target.channel}:${entry.target.nexthop}` : ''}
          isNeeded
          hint={t('channel:nexthop, such as outgoing:mail.example.net')}
        />
      </>
    )
  if (kind === 'unit')
    return <Text name="path" label={t('Path')} value={entry?.path} isNeeded hint={t('sales, or sales/europe')} />
  if (kind === 'group')
    return (
      <>
        <Text name="name" label={t('Name')} value={entry?.name} isNeeded />
        <Text
          name="addresses"
          label={t('Addresses')}
          value={entry?.addresses?.join(', ')}
          hint={t('Without one the group serves access rights only')}
        />
        <div className="field">
          <label htmlFor="entry-senders">{t('Who may write to it')}</label>
          <select id="entry-senders" name="senders" defaultValue={entry?.senders ?? 'accounts'}>
            <option value="anyone">{t('Anyone')}</option>
            <option value="accounts">{t('Accounts of this server')}</option>
            <option value="members">{t('Members')}</option>
          </select>
        </div>
      </>
    )
  return (
    <>
      <Text name="name" label={t('Login name')} value={entry?.name} isNeeded />
      <Text name="displayName" label={t('Full name')} value={entry?.displayName} />
      <Text
        name="addresses"
        label={t('Addresses')}
        value={entry?.addresses?.join(', ')}
        isNeeded
        hint={t('The first is the primary one, such as ann@{{example}}', { example })}
      />
      <Text
        name="password"
        label={entry ? t('New password') : t('Password')}
        type="password"
        {...(entry ? { hint: entry.hasPassword ? t('Empty keeps the one that is set') : t('None is set') } : {})}
      />
      <Text
        name="quota"
        label={t('Storage in GB')}
        value={entry?.quota === undefined ? '' : String(entry.quota / GB)}
        hint={t('Empty for no limit')}
      />
      <Text name="forward" label={t('Forward to')} value={entry?.forward?.to.join(', ')} />
      <label className="row">
        <input type="checkbox" className="cb" name="keep" defaultChecked={entry?.forward?.keep ?? true} />
        {t('Keep a copy of forwarded mail')}
      </label>
      {entry ? (
        <div className="field">
          <label htmlFor="entry-status">{t('State')}</label>
          <select id="entry-status" name="status" defaultValue={entry.status}>
            <option value="active">{t('Active')}</option>
            <option value="suspended">{t('Suspended: gets mail, cannot log in')}</option>
            <option value="disabled">{t('Disabled: gets no mail, cannot log in')}</option>
          </select>
        </div>
      ) : null}
      {may('admin') ? (
        <>
          <Text
            name="roles"
            label={t('Roles')}
            value={entry?.roles?.join(', ')}
            hint={t('admin, support, domain-admin:example.org')}
          />
          <label className="row">
            <input type="checkbox" className="cb" name="mayRelay" defaultChecked={entry?.mayRelay ?? true} />
            {t('May send to other servers')}
          </label>
        </>
      ) : null}
    </>
  )
}
