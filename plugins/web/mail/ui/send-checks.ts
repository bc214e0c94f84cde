/** Checks before a message is sent, and the times that "send later" offers. */
import { t } from '../../app/ui/language.ts'
import type { Draft } from '../store/compose.ts'
import type { Application } from './application.ts'
import { weekdayTime } from './format.ts'
import { hostOf, loadModule } from './modules.tsx'

/** A plugin's objection to the message; a failing plugin has none. */
export async function firstObjection(app: Application, draft: Draft): Promise<string | undefined> {
  const checks = (await app.modules).filter(({ slot }) => slot === 'compose.check')
  for (const module of checks) {
    const objection = await loadModule(module)
      .then(({ check }) => check?.(hostOf(app, { draft })))
      .catch(() => undefined)
    if (typeof objection === 'string') return objection
  }
  return undefined
}

/** Whether the text, without quotations, mentions an attachment. */
export function speaksOfFiles(text: string, subject: string): boolean {
  const own = `${subject}\n${text}`.split(/\n(?:>|On .{1,200} wrote:|Am .{1,200} schrieb)/)[0]?.toLowerCase() ?? ''
  return t('attachment-words')
    .split(',')
    .some((word) => own.includes(word))
}

/** Entries of the menu: this afternoon (until 13:00), tomorrow and next Monday. */
export function laterEntries(run: (at: Date) => void) {
  const at = (days: number, hour: number) => {
    const date = new Date()
    date.setDate(date.getDate() + days)
    date.setHours(hour, 0, 0, 0)
    return date
  }
  const today = new Date()
  const toMonday = (8 - today.getDay()) % 7 || 7
  const times = [
    ...(today.getHours() < 13 ? [['afternoon', at(0, 14)] as const] : []),
    ['tomorrow', at(1, 8)] as const,
    ['monday', at(toMonday, 8)] as const,
  ]
  return times.map(([id, date]) => ({
    id,
    label: t(`compose.later.${id}`),
    end: weekdayTime(date),
    run: () => run(date),
  }))
}
