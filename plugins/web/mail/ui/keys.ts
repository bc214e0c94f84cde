/**
 * Single keys, as in Gmail. They rest while something is typed, and can be turned off.
 */
import { useEffect } from 'react'

const KEPT = 'iems-keys'
export const areKeysOn = (): boolean => localStorage.getItem(KEPT) !== 'off'
export const setKeysOn = (isOn: boolean): void => localStorage.setItem(KEPT, isOn ? 'on' : 'off')

const TYPING =
  'input:not([type="checkbox"]), textarea, select, [contenteditable], [role="textbox"], [role="menu"], [role="dialog"]'

export function useKeys(keys: Readonly<Record<string, () => void>>): void {
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      if (!areKeysOn() || event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return
      const { target } = event
      if (target instanceof Element && target.closest(TYPING)) return
      const run = keys[event.key]
      if (!run) return
      event.preventDefault()
      run()
    }
    document.addEventListener('keydown', onKey)
    return () => document.removeEventListener('keydown', onKey)
  }, [keys])
}

/** Keyboard shortcuts for the help, with their descriptions. */
export const KEY_HELP: readonly (readonly [keys: string, text: string])[] = [
  ['j k', 'keys.move'],
  ['Enter u', 'keys.open'],
  ['x', 'keys.select'],
  ['e', 'archive'],
  ['#', 'delete'],
  ['!', 'junk'],
  ['v', 'move'],
  ['b', 'snooze'],
  ['l', 'label'],
  ['s', 'star'],
  ['U', 'mark-unread'],
  ['z', 'undo'],
  ['c', 'compose'],
  ['r a f', 'reply'],
  ['/', 'search'],
  ['g', 'keys.inbox'],
  ['?', 'keys'],
]
