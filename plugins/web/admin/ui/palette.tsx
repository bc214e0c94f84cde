/**
 * Ctrl-K: every page, every command, every account, and messages by address or id, by a few letters.
 */

import { type KeyboardEvent, useEffect, useId, useMemo, useState } from 'react'
import { Dialog as AriaDialog, Modal, ModalOverlay } from 'react-aria-components'
import { Icon, type IconName } from '../../app/ui/icon.tsx'
import { t } from '../../app/ui/language.ts'
import { api, query as queryOf } from './api.ts'
import type { Place, PluginPage } from './places.ts'
import type { CommandInfo } from './screens/commands.tsx'
import { hrefOf, useShell } from './shell.ts'
import { useApi } from './use-api.ts'

interface Choice {
  readonly id: string
  readonly title: string
  readonly note: string
  readonly icon: IconName
  readonly href: string
}

const MAX_SHOWN = 12
const MAX_PEOPLE = 5
const WAIT_MS = 150

function usePeople(text: string): readonly Choice[] {
  const { me, may } = useShell()
  const [found, setFound] = useState<readonly Choice[]>([])
  const isAsked = text.length >= 2 && may('people:read') && me.features.includes('directory')
  useEffect(() => {
    if (!isAsked) return setFound([])
    const gone = new AbortController()
    const timer = setTimeout(() => {
      const path = `/api/v1/directory/account${queryOf({ search: text, limit: MAX_PEOPLE })}`
      api<{ entries: readonly { id: string; name: string; displayName?: string; address?: string }[] }>(
        'GET',
        path,
        undefined,
        gone.signal,
      ).then(
        ({ entries }) =>
          setFound(
            entries.map(({ id, name, displayName = name, address = '' }) => ({
              id: `person-${id}`,
              title: displayName,
              note: address,
              icon: 'user',
              href: hrefOf('people', 'account', id),
            })),
          ),
        () => undefined,
      )
    }, WAIT_MS)
    return () => {
      clearTimeout(timer)
      gone.abort()
    }
  }, [text, isAsked])
  return found
}

export interface PaletteProps {
  readonly places: readonly Place[]
  readonly pages: readonly PluginPage[]
  onClose(): void
}

export function Palette({ places, pages, onClose }: PaletteProps) {
  const id = useId()
  const { may } = useShell()
  const [text, setText] = useState('')
  const [at, setAt] = useState(0)
  const commands = useApi<{ commands: readonly CommandInfo[] }>(may('status:read') ? '/api/v1/commands' : undefined)
  const people = usePeople(text.trim())
  const choices = useMemo(() => {
    const words = text.toLowerCase().split(/\s+/).filter(Boolean)
    const fits = (...texts: readonly string[]) => words.every((word) => texts.join(' ').toLowerCase().includes(word))
    const found: Choice[] = [
      ...places
        .filter((one) => fits(one.title, one.words ?? ''))
        .map(({ id: place, title, icon, group }) => ({
          id: place,
          title,
          note: group ? t(group) : t('Page'),
          icon,
          href: hrefOf(place),
        })),
      ...pages
        .filter((one) => fits(one.title, one.summary ?? ''))
        .map(({ id: page, title }) => ({
          id: `page-${page}`,
          title,
          note: t('Page of a plugin'),
          icon: 'tag' as const,
          href: hrefOf('page', page),
        })),
      ...people,
      ...(words.length === 0 ? [] : (commands.data?.commands ?? []))
        .filter((one) => fits(one.words, one.summary))
        .sort((a, b) => Number(b.words.startsWith(text)) - Number(a.words.startsWith(text)))
        .map(({ words: name, summary }) => ({
          id: `run-${name}`,
          title: name,
          note: summary,
          icon: 'play' as const,
          href: hrefOf('commands', name),
        })),
    ].slice(0, MAX_SHOWN)
    if (text.trim().length > 2 && may('trace:read'))
      found.push({
        id: 'trace-it',
        title: t('Trace {{text}}', { text: text.trim() }),
        note: t('Messages'),
        icon: 'trace',
        href: `${hrefOf('trace')}?${new URLSearchParams({ q: text.trim() })}`,
      })
    return found
  }, [text, places, pages, people, commands.data, may])
  const open = (choice: Choice | undefined) => {
    if (!choice) return
    location.hash = choice.href
    onClose()
  }
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.key === 'ArrowDown') setAt((at + 1) % Math.max(1, choices.length))
    else if (event.key === 'ArrowUp') setAt((at - 1 + choices.length) % Math.max(1, choices.length))
    else if (event.key === 'Enter') open(choices[at])
    else return
    event.preventDefault()
  }
  return (
    <ModalOverlay className="scrim top" isOpen isDismissable onOpenChange={(isOpen) => isOpen || onClose()}>
      <Modal className="modal">
        <AriaDialog className="palette" aria-label={t('Find a page, a person or a command')}>
          <label className="find">
            <Icon name="search" small />
            <input
              autoFocus
              role="combobox"
              aria-expanded="true"
              aria-controls={`${id}-list`}
              aria-activedescendant={choices[at] ? `${id}-${choices[at].id}` : undefined}
              aria-label={t('Page, person or command')}
              placeholder={t('Page, person, message or command')}
              value={text}
              onChange={({ target }) => {
                setText(target.value)
                setAt(0)
              }}
              onKeyDown={onKeyDown}
            />
          </label>
          <div role="listbox" id={`${id}-list`} aria-label={t('Found')} className="found">
            {choices.map((choice, index) => (
              <div
                key={choice.id}
                id={`${id}-${choice.id}`}
                role="option"
                tabIndex={-1}
                aria-selected={index === at}
                onPointerMove={() => setAt(index)}
                onClick={() => open(choice)}
                onKeyDown={undefined}
              >
                <Icon name={choice.icon} small />
                <span className="cut">{choice.title}</span>
                <span className="t3 sm cut end">{choice.note}</span>
              </div>
            ))}
          </div>
          {choices.length === 0 ? <p className="t2 none">{t('Nothing fits.')}</p> : null}
        </AriaDialog>
      </Modal>
    </ModalOverlay>
  )
}
