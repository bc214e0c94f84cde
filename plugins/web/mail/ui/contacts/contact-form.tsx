/** A contact or a group that is being changed. */
import { type FormEvent, useState } from 'react'
import { IconButton } from '../../../app/ui/button.tsx'
import { Icon } from '../../../app/ui/icon.tsx'
import { t } from '../../../app/ui/language.ts'
import { type Contact, contactsWith } from '../../store/contact.ts'

const MAX_FOUND = 8
const ADDRESS = /^[^\s@<>]{1,64}@[^\s@<>]{1,255}$/

export interface ContactFormProps {
  readonly contact: Contact
  readonly all: readonly Contact[]
  onSave(contact: Contact): void
  onCancel(): void
}

export function ContactForm({ contact, all, onSave, onCancel }: ContactFormProps) {
  const [now, setNow] = useState(contact)
  const change = (patch: Partial<Contact>) => setNow({ ...now, ...patch })
  const filled = (values: readonly string[]) => values.map((one) => one.trim()).filter(Boolean)
  const wrong = filled(now.emails).find((one) => !ADDRESS.test(one))
  const isEmpty = now.name.trim() === '' && filled(now.emails).length === 0
  const submit = (event: FormEvent) => {
    event.preventDefault()
    if (wrong !== undefined || isEmpty) return
    const emails = filled(now.emails)
    const name = now.name.trim() || (emails[0] ?? '')
    onSave({ ...now, name, emails, phones: filled(now.phones), organization: now.organization.trim() })
  }
  return (
    <form className="settings-form contact-form" onSubmit={submit}>
      <h2>{t(contact.id ? 'contacts.edit.title' : now.isGroup ? 'contacts.new-group' : 'contacts.new')}</h2>
      <div className="field">
        <label htmlFor="contact-name">{t('contacts.name')}</label>
        <input
          id="contact-name"
          value={now.name}
          maxLength={300}
          autoComplete="off"
          autoFocus
          onChange={({ target }) => change({ name: target.value })}
        />
      </div>
      {now.isGroup ? (
        <Members members={now.members} all={all} onChange={(members) => change({ members })} />
      ) : (
        <>
          <Values
            id="email"
            type="email"
            label={t('contacts.email')}
            values={now.emails}
            onChange={(emails) => change({ emails })}
          />
          {wrong === undefined ? null : (
            <p className="note bad" role="alert">
              {t('compose.not-address', { text: wrong })}
            </p>
          )}
          <Values
            id="phone"
            type="tel"
            label={t('contacts.phone')}
            values={now.phones}
            onChange={(phones) => change({ phones })}
          />
          <div className="field">
            <label htmlFor="contact-organization">{t('contacts.organization')}</label>
            <input
              id="contact-organization"
              value={now.organization}
              maxLength={300}
              onChange={({ target }) => change({ organization: target.value })}
            />
          </div>
        </>
      )}
      <div className="field">
        <label htmlFor="contact-note">{t('contacts.note')}</label>
        <textarea
          id="contact-note"
          value={now.note}
          maxLength={10_000}
          onChange={({ target }) => change({ note: target.value })}
        />
      </div>
      <footer className="row">
        <button type="submit" className="btn main" disabled={isEmpty || wrong !== undefined}>
          {t('settings.save')}
        </button>
        <button type="button" className="btn" onClick={onCancel}>
          {t('cancel')}
        </button>
      </footer>
    </form>
  )
}

interface ValuesProps {
  readonly id: string
  readonly type: 'email' | 'tel'
  readonly label: string
  readonly values: readonly string[]
  onChange(values: readonly string[]): void
}

/** One field for each value, and an empty one. */
function Values({ id, type, label, values, onChange }: ValuesProps) {
  const shown = values.at(-1) === '' ? values : [...values, '']
  return (
    <div className="field">
      <label htmlFor={`contact-${id}-0`}>{label}</label>
      {shown.map((value, index) => (
        <input
          // biome-ignore lint/suspicious/noArrayIndexKey: a field stays while its text changes
          key={index}
          id={`contact-${id}-${index}`}
          type="text"
          inputMode={type}
          autoComplete="off"
          aria-label={index === 0 ? undefined : `${label} ${index + 1}`}
          value={value}
          maxLength={320}
          onChange={({ target }) =>
            onChange(shown.with(index, target.value).filter((one, at) => one !== '' || at < index))
          }
        />
      ))}
    </div>
  )
}

interface MembersProps {
  readonly members: readonly string[]
  readonly all: readonly Contact[]
  onChange(members: readonly string[]): void
}

function Members({ members, all, onChange }: MembersProps) {
  const [text, setText] = useState('')
  const found =
    text.trim() === ''
      ? []
      : contactsWith(all, text)
          .filter(({ uid, isGroup }) => !isGroup && !members.includes(uid))
          .slice(0, MAX_FOUND)
  return (
    <div className="field">
      <label htmlFor="contact-members">{t('contacts.add-member')}</label>
      <input
        id="contact-members"
        type="search"
        autoComplete="off"
        value={text}
        onChange={({ target }) => setText(target.value)}
      />
      <ul className="shares found">
        {found.map(({ uid, name, emails }) => (
          <li key={uid}>
            <button
              type="button"
              className="btn plain grow"
              onClick={() => {
                setText('')
                onChange([...members, uid])
              }}
            >
              <Icon name="plus" small />
              <span className="cut">
                {name}
                <span className="sm t3"> {emails[0]}</span>
              </span>
            </button>
          </li>
        ))}
      </ul>
      <ul className="shares">
        {members.map((uid) => {
          const name = all.find((one) => one.uid === uid)?.name ?? uid
          return (
            <li key={uid}>
              <span className="grow cut">{name}</span>
              <IconButton
                icon="x"
                label={t('compose.remove', { name })}
                onClick={() => onChange(members.filter((one) => one !== uid))}
              />
            </li>
          )
        })}
      </ul>
    </div>
  )
}
