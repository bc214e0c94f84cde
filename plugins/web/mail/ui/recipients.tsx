/**
 * A field of recipients: addresses as chips, with suggestions from contacts, groups and the mail that was loaded.
 */
import { type KeyboardEvent, useEffect, useId, useState } from 'react'
import { Icon } from '../../app/ui/icon.tsx'
import { t } from '../../app/ui/language.ts'
import { readAddresses } from '../store/compose.ts'
import type { Contact } from '../store/contact.ts'
import { knownContacts } from '../store/contacts.ts'
import { type Address, nameOf } from '../store/objects.ts'
import { suggested } from '../store/suggestions.ts'
import { useApplication } from './application.ts'

export interface RecipientsProps {
  readonly label: string
  readonly value: readonly Address[]
  readonly autoFocus?: boolean
  onChange(next: readonly Address[]): void
  /** Typed text that is not an address yet. */
  onRest(rest: string): void
}

export function Recipients({ label, value, autoFocus = false, onChange, onRest }: RecipientsProps) {
  const { store } = useApplication()
  const id = useId()
  const [text, setText] = useState('')
  const [chosen, setChosen] = useState(0)
  const [isOpen, setIsOpen] = useState(false)
  const [contacts, setContacts] = useState<readonly Contact[]>([])
  useEffect(() => void knownContacts(store).then(setContacts, () => undefined), [store])
  const isThere = ({ email }: Address) => value.some((one) => one.email.toLowerCase() === email.toLowerCase())
  const found = isOpen ? suggested({ store, contacts }, text).filter(({ addresses }) => !addresses.every(isThere)) : []
  const add = (addresses: readonly Address[], rest = '') => {
    const fresh = addresses.filter((one) => !isThere(one))
    if (fresh.length > 0) onChange([...value, ...fresh])
    setText(rest)
    onRest(rest)
    setIsOpen(false)
  }
  const take = () => {
    const { addresses, rest } = readAddresses(text)
    add(addresses, rest)
  }
  const onKeyDown = (event: KeyboardEvent) => {
    if (found.length > 0 && (event.key === 'ArrowDown' || event.key === 'ArrowUp')) {
      const step = event.key === 'ArrowDown' ? 1 : found.length - 1
      setChosen((chosen + step) % found.length)
    } else if ((event.key === 'Enter' || event.key === 'Tab') && found[chosen]) add(found[chosen].addresses)
    else if (event.key === 'Enter' || event.key === ',' || event.key === ';') take()
    else if (event.key === 'Escape' && found.length > 0) {
      setIsOpen(false)
      event.stopPropagation()
    } else if (event.key === 'Backspace' && text === '' && value.length > 0) onChange(value.slice(0, -1))
    else return
    event.preventDefault()
  }
  return (
    <div className="ln wrap">
      <label className="lb" htmlFor={id}>
        {label}
      </label>
      {value.map((one) => (
        <span key={one.email} className="chip" title={one.email}>
          <span className="cut">{nameOf(one)}</span>
          <button
            type="button"
            aria-label={t('compose.remove', { name: nameOf(one) })}
            onClick={() => onChange(value.filter((other) => other !== one))}
          >
            <Icon name="x" small />
          </button>
        </span>
      ))}
      <input
        id={id}
        className="bare grow"
        role="combobox"
        aria-expanded={found.length > 0}
        aria-controls={`${id}-list`}
        aria-autocomplete="list"
        aria-activedescendant={found.length > 0 ? `${id}-${chosen}` : undefined}
        autoComplete="off"
        autoCapitalize="none"
        spellCheck={false}
        autoFocus={autoFocus}
        value={text}
        onChange={({ target }) => {
          setText(target.value)
          onRest(target.value)
          setChosen(0)
          setIsOpen(true)
        }}
        onBlur={take}
        onKeyDown={onKeyDown}
      />
      <ul
        id={`${id}-list`}
        className={found.length > 0 ? 'menu suggest' : 'suggest'}
        role="listbox"
        aria-label={label}
        hidden={found.length === 0}
      >
        {found.map((one, index) => (
          <li
            key={one.label + one.end}
            id={`${id}-${index}`}
            role="option"
            aria-selected={index === chosen}
            className={index === chosen ? 'on' : ''}
            onMouseDown={(event) => event.preventDefault()}
            onClick={() => add(one.addresses)}
          >
            <span>{one.label}</span>
            {one.end ? <span className="end cut">{one.end}</span> : null}
          </li>
        ))}
      </ul>
    </div>
  )
}
