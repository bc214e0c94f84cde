/**
 * A field of recipients: addresses as chips, with suggestions from the mail that was loaded.
 */
import { type KeyboardEvent, useId, useState } from 'react'
import { Icon } from '../../app/ui/icon.tsx'
import { t } from '../../app/ui/language.ts'
import { readAddresses, suggestions } from '../store/compose.ts'
import { type Address, nameOf } from '../store/objects.ts'
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
  const found = isOpen
    ? suggestions(store, text).filter(
        ({ email }) => !value.some((one) => one.email.toLowerCase() === email.toLowerCase()),
      )
    : []
  const add = (addresses: readonly Address[], rest = '') => {
    if (addresses.length > 0) onChange([...value, ...addresses])
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
    } else if ((event.key === 'Enter' || event.key === 'Tab') && found[chosen]) add([found[chosen]])
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
            key={one.email}
            id={`${id}-${index}`}
            role="option"
            aria-selected={index === chosen}
            className={index === chosen ? 'on' : ''}
            onMouseDown={(event) => event.preventDefault()}
            onClick={() => add([one])}
          >
            <span>{nameOf(one)}</span>
            {one.name ? <span className="end">{one.email}</span> : null}
          </li>
        ))}
      </ul>
    </div>
  )
}
