/** The menu of times at which a conversation comes back, and a dialog for another time. The key b opens it. */
import { type FormEvent, useState } from 'react'
import { Dialog } from '../../app/ui/dialog.tsx'
import { Icon } from '../../app/ui/icon.tsx'
import { t } from '../../app/ui/language.ts'
import { MenuButton, type MenuEntry } from '../../app/ui/menu.tsx'
import type { Acts } from './acts.ts'
import { useApplication } from './application.ts'
import { weekdayTime } from './format.ts'

const MORNING = 8
const EVENING = 18

function at(days: number, hour: number): Date {
  const date = new Date()
  date.setDate(date.getDate() + days)
  date.setHours(hour, 0, 0, 0)
  return date
}

/** The usual times that are still to come. */
function times(now = new Date()): readonly (readonly [id: string, date: Date])[] {
  const later = now.getHours() < EVENING - 1 ? at(0, EVENING) : undefined
  const untilMonday = (8 - now.getDay()) % 7 || 7
  return [
    ...(later ? [['later', later] as const] : []),
    ['tomorrow', at(1, MORNING)],
    ['week', at(untilMonday, MORNING)],
  ]
}

/** As the field for date and time has it: local, without seconds. */
function fieldTime(date: Date): string {
  const local = new Date(date.getTime() - date.getTimezoneOffset() * 60_000)
  return local.toISOString().slice(0, 16)
}

export interface SnoozeMenuProps {
  readonly threadIds: readonly string[]
  readonly acts: Acts
}

export function SnoozeMenu({ threadIds, acts }: SnoozeMenuProps) {
  const { store } = useApplication()
  const [isAsking, setIsAsking] = useState(false)
  const isSnoozed = threadIds.some((id) => store.snoozes.has(id))
  const entries: MenuEntry[] = [
    ...times().map(([id, date]) => ({
      id,
      label: t(`snooze.${id}`),
      end: weekdayTime(date),
      run: () => acts.snooze(threadIds, date),
    })),
    { id: 'own', label: t('snooze.own'), isFirstOfGroup: true, run: () => setIsAsking(true) },
    ...(isSnoozed ? [{ id: 'end', label: t('snooze.end'), run: () => acts.endSnooze(threadIds) }] : []),
  ]
  return (
    <>
      <MenuButton label={t('snooze')} className="ib snooze-menu" entries={entries}>
        <Icon name="clock" />
      </MenuButton>
      {isAsking ? (
        <TimeDialog
          onClose={() => setIsAsking(false)}
          onTime={(date) => {
            setIsAsking(false)
            acts.snooze(threadIds, date)
          }}
        />
      ) : null}
    </>
  )
}

function TimeDialog({ onClose, onTime }: { onClose(): void; onTime(date: Date): void }) {
  const [time, setTime] = useState(() => fieldTime(at(1, MORNING)))
  const date = new Date(time)
  const isValid = date.getTime() > Date.now()
  const submit = (event: FormEvent) => {
    event.preventDefault()
    if (isValid) onTime(date)
  }
  return (
    <Dialog title={t('snooze.until')} onClose={onClose}>
      <form onSubmit={submit}>
        <div className={isValid ? 'field' : 'field err'}>
          <label htmlFor="snooze-time">{t('snooze.time')}</label>
          <input
            id="snooze-time"
            type="datetime-local"
            required
            min={fieldTime(new Date())}
            value={time}
            aria-describedby="snooze-hint"
            onChange={({ target }) => setTime(target.value)}
          />
          <span id="snooze-hint" className={isValid ? 'hint' : 'msg'}>
            {isValid ? t('snooze.hint') : t('snooze.past')}
          </span>
        </div>
        <footer>
          <button type="button" className="btn" onClick={onClose}>
            {t('cancel')}
          </button>
          <button type="submit" className="btn main" disabled={!isValid}>
            {t('snooze')}
          </button>
        </footer>
      </form>
    </Dialog>
  )
}
