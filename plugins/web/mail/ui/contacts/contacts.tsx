/**
 * The contacts: a list with a search, one contact to read and change, import and export.
 */

import { type ChangeEvent, useRef, useState } from 'react'
import { IconButton } from '../../../app/ui/button.tsx'
import { Icon } from '../../../app/ui/icon.tsx'
import { t } from '../../../app/ui/language.ts'
import { MenuButton } from '../../../app/ui/menu.tsx'
import { emptyDraft } from '../../store/compose.ts'
import { addressesOf, type Contact, contactsWith, emptyContact } from '../../store/contact.ts'
import { uuid } from '../../store/uuid.ts'
import { writeVcards } from '../../store/vcard.ts'
import { useApplication } from '../application.ts'
import { ContactForm } from './contact-form.tsx'
import './contacts.css'
import { importContacts, type Open, removeContact, saveContact, useContacts } from './use-contacts.ts'

const MAX_SHOWN = 500

export function Contacts({ back }: { readonly back: string }) {
  const { store, compose } = useApplication()
  const [text, setText] = useState('')
  const [open, setOpen] = useState<Open>()
  const contacts = useContacts(setOpen)
  const { all, error } = contacts
  const write = (contact: Contact) =>
    compose({
      ...emptyDraft(uuid(), store.identities[0]),
      to: addressesOf(contact, all ?? []),
    })
  const shown = contactsWith(all ?? [], text)
  return (
    <div className={open ? 'contacts opened' : 'contacts'}>
      <section className="pane contact-list" aria-label={t('contacts')}>
        <header className="lh">
          <a className="ib" href={back} aria-label={t('settings.back')} title={t('settings.back')}>
            <Icon name="left" />
          </a>
          <h1 className="b grow">{t('contacts')}</h1>
          <NewMenu
            onNew={(isGroup) => setOpen({ contact: emptyContact(isGroup), isEdited: true })}
            onExport={() => download(writeVcards((all ?? []).filter(({ isOfServer }) => !isOfServer)))}
            onImport={(event) => void importContacts(contacts, event)}
          />
        </header>
        <div className="field contact-find">
          <input
            type="search"
            aria-label={t('contacts.find')}
            placeholder={t('contacts.find')}
            value={text}
            onChange={({ target }) => setText(target.value)}
          />
        </div>
        {error === '' ? null : (
          <p className="note bad" role="alert">
            {error}
          </p>
        )}
        {all && shown.length === 0 ? (
          <div className="state">
            <Icon name="users" />
            <h2>{text === '' ? t('contacts.none') : t('contacts.nothing', { text })}</h2>
            <p className="t2">{t('contacts.none.text')}</p>
          </div>
        ) : null}
        <ul className="contact-rows">
          {shown.slice(0, MAX_SHOWN).map((contact) => (
            <li key={contact.id}>
              <button
                type="button"
                className="contact-row"
                aria-current={open?.contact.id === contact.id ? 'true' : undefined}
                onClick={() => setOpen({ contact, isEdited: false })}
              >
                <Icon name={contact.isGroup ? 'users' : 'user'} />
                <span className="cut">
                  <span className="cut">{contact.name}</span>
                  <span className="sm t3 cut">
                    {contact.isGroup
                      ? t('contacts.members', { count: contact.members.length })
                      : [contact.emails[0], contact.organization].filter(Boolean).join(' · ')}
                  </span>
                </span>
                {contact.isOfServer ? <span className="tag">{t('contacts.server')}</span> : null}
              </button>
            </li>
          ))}
        </ul>
        {shown.length > MAX_SHOWN ? <p className="sm t3 more">{t('contacts.more', { count: MAX_SHOWN })}</p> : null}
      </section>
      <section className="pane contact-page" aria-label={open?.contact.name || t('contacts')}>
        {open === undefined ? (
          <div className="state">
            <h2>{t('contacts.choose')}</h2>
            <p className="t2">{t('contacts.choose.text')}</p>
          </div>
        ) : open.isEdited ? (
          <ContactForm
            key={open.contact.uid}
            contact={open.contact}
            all={all ?? []}
            onSave={(after) => void saveContact(contacts, open.contact, after)}
            onCancel={() => setOpen(open.contact.id === undefined ? undefined : { ...open, isEdited: false })}
          />
        ) : (
          <ContactCard
            contact={open.contact}
            all={all ?? []}
            onBack={() => setOpen(undefined)}
            onEdit={() => setOpen({ ...open, isEdited: true })}
            onRemove={() => void removeContact(contacts, open.contact)}
            onWrite={() => write(open.contact)}
          />
        )}
      </section>
    </div>
  )
}

interface NewMenuProps {
  onNew(isGroup: boolean): void
  onExport(): void
  onImport(event: ChangeEvent<HTMLInputElement>): void
}

function NewMenu({ onNew, onExport, onImport }: NewMenuProps) {
  const file = useRef<HTMLInputElement>(null)
  return (
    <>
      <button type="button" className="btn main" onClick={() => onNew(false)}>
        <Icon name="plus" small />
        {t('contacts.new')}
      </button>
      <MenuButton
        label={t('more')}
        entries={[
          { id: 'group', label: t('contacts.new-group'), icon: 'users', run: () => onNew(true) },
          {
            id: 'import',
            label: t('contacts.import'),
            icon: 'up',
            isFirstOfGroup: true,
            run: () => file.current?.click(),
          },
          { id: 'export', label: t('contacts.export'), icon: 'download', run: onExport },
        ]}
      >
        <Icon name="more" />
      </MenuButton>
      <input
        ref={file}
        type="file"
        accept=".vcf,text/vcard,text/x-vcard"
        hidden
        aria-label={t('contacts.import')}
        onChange={onImport}
      />
    </>
  )
}

/** A file to save, made here. */
function download(text: string): void {
  const url = URL.createObjectURL(new Blob([text], { type: 'text/vcard;charset=utf-8' }))
  const link = document.createElement('a')
  link.href = url
  link.download = 'contacts.vcf'
  link.click()
  setTimeout(() => URL.revokeObjectURL(url), 60_000)
}

interface ContactCardProps {
  readonly contact: Contact
  readonly all: readonly Contact[]
  onBack(): void
  onEdit(): void
  onRemove(): void
  onWrite(): void
}

function ContactCard({ contact, all, onBack, onEdit, onRemove, onWrite }: ContactCardProps) {
  const { isGroup, isOfServer, name, organization, emails, phones, note, members } = contact
  const people = members.flatMap((uid) => all.find((one) => one.uid === uid) ?? [])
  return (
    <article>
      <div className="tools" role="toolbar" aria-label={name}>
        <IconButton icon="left" className="narrow" label={t('back')} onClick={onBack} />
        <button
          type="button"
          className="btn"
          disabled={isGroup ? people.length === 0 : emails.length === 0}
          onClick={onWrite}
        >
          <Icon name="compose" small />
          {t('compose')}
        </button>
        <span className="grow" />
        {isOfServer ? (
          <span className="sm t3">{t('contacts.server.text')}</span>
        ) : (
          <>
            <button type="button" className="btn" onClick={onEdit}>
              {t('contacts.edit')}
            </button>
            <IconButton icon="trash" label={t('contacts.remove', { name })} onClick={onRemove} />
          </>
        )}
      </div>
      <div className="contact-card">
        <h2>{name}</h2>
        {organization === '' ? null : <p className="t2">{organization}</p>}
        <dl>
          {emails.map((email) => (
            <Fact key={email} label={t('contacts.email')} text={email} />
          ))}
          {phones.map((phone) => (
            <Fact key={phone} label={t('contacts.phone')} text={phone} />
          ))}
          {people.map((one) => (
            <Fact key={one.uid} label={one.name} text={one.emails[0] ?? ''} />
          ))}
          {note === '' ? null : <Fact label={t('contacts.note')} text={note} />}
        </dl>
      </div>
    </article>
  )
}

const Fact = ({ label, text }: { readonly label: string; readonly text: string }) => (
  <div>
    <dt>{label}</dt>
    <dd>{text}</dd>
  </div>
)
