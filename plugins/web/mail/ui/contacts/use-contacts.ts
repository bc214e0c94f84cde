/** The contacts of the page, and their changes, each with its undo. */
import { type ChangeEvent, useCallback, useEffect, useState } from 'react'
import { t } from '../../../app/ui/language.ts'
import type { Contact } from '../../store/contact.ts'
import { changeContact, createContacts, loadContacts, removeContacts } from '../../store/contacts.ts'
import type { MailStore } from '../../store/mail-store.ts'
import { readVcards } from '../../store/vcard.ts'
import { type Toast, useApplication } from '../application.ts'

const MAX_FILE = 20_000_000

/** The contact that is shown or changed. */
export interface Open {
  readonly contact: Contact
  readonly isEdited: boolean
}

export interface Contacts {
  readonly store: MailStore
  readonly all: readonly Contact[] | undefined
  readonly error: string
  setAll(contacts: readonly Contact[]): void
  /** Reads them from the server again. */
  load(): Promise<readonly Contact[]>
  setOpen(open: Open | undefined): void
  say(toast: Toast): void
}

export function useContacts(setOpen: Contacts['setOpen']): Contacts {
  const { home: store, say } = useApplication()
  const [all, setAll] = useState<readonly Contact[]>()
  const [error, setError] = useState('')
  const load = useCallback(async () => {
    try {
      const contacts = await loadContacts(store)
      setAll(contacts)
      return contacts
    } catch (cause) {
      setError((cause as Error).message)
      return []
    }
  }, [store])
  useEffect(() => void load(), [load])
  return { store, all, error, setAll, load, setOpen, say }
}

async function attempt({ say }: Contacts, run: () => Promise<unknown>): Promise<boolean> {
  try {
    await run()
    return true
  } catch (cause) {
    say({ text: t('failed', { why: (cause as Error).message }), isError: true })
    return false
  }
}

function done({ say, load }: Contacts, text: string, revert: () => Promise<unknown>): void {
  const undo = async () => {
    await revert()
    await load()
  }
  say({ text, undo })
}

export async function saveContact(contacts: Contacts, before: Contact, after: Contact): Promise<void> {
  const { store, load, setOpen } = contacts
  const isNew = before.id === undefined
  const save = () => (isNew ? createContacts(store, [after]) : changeContact(store, before, after))
  if (!(await attempt(contacts, save))) return
  const saved = (await load()).find(({ uid }) => uid === after.uid)
  setOpen(saved && { contact: saved, isEdited: false })
  done(contacts, t('contacts.saved', { name: after.name }), async () => {
    if (isNew) await removeContacts(store, [saved?.id ?? ''])
    else await changeContact(store, after, before)
    setOpen(undefined)
  })
}

export async function removeContact(contacts: Contacts, contact: Contact): Promise<void> {
  const { store, all = [], setAll, load, setOpen } = contacts
  setOpen(undefined)
  setAll(all.filter(({ id }) => id !== contact.id))
  const removal = attempt(contacts, () => removeContacts(store, [contact.id ?? '']))
  // The undo is there at once, and waits for the removal.
  done(contacts, t('contacts.removed', { name: contact.name }), async () => {
    if (await removal) await createContacts(store, [contact])
  })
  if (!(await removal)) await load()
}

/** Adds the contacts of a vCard file; those that are known by their uid stay. */
export async function importContacts(contacts: Contacts, { target }: ChangeEvent<HTMLInputElement>): Promise<void> {
  const { store, all = [], load, say } = contacts
  const file = target.files?.[0]
  if (!file || file.size > MAX_FILE) return
  const read = readVcards(await file.text())
  target.value = ''
  if (read.length === 0) return say({ text: t('contacts.import.none'), isError: true })
  const known = new Set(all.map(({ uid }) => uid))
  const fresh = read.filter(({ uid }) => !known.has(uid))
  if (!(await attempt(contacts, () => createContacts(store, fresh)))) return
  const uids = new Set(fresh.map(({ uid }) => uid))
  const made = (await load()).filter(({ uid }) => uids.has(uid)).flatMap(({ id }) => id ?? [])
  done(contacts, t('contacts.imported', { count: fresh.length }), () => removeContacts(store, made))
}
