/** Values of items in DXL. */
import type { NotesTime } from '../nsf/values.ts'
import { child, childrenOf, type Element, elements, textOf } from './tree.ts'

const TIME = /^(\d{4})(\d\d)(\d\d)(?:T(\d\d)(\d\d)(\d\d)(?:[,.](\d\d))?)?(?:([+-])(\d\d):?(\d\d)?)?$/

/** ISO 8601 in its basic form, with hundredths and the offset: `20010612T140510,52+02`. */
export function readDxlTime(text: string): NotesTime | undefined {
  const [, year, month, day, hour, minute, second, hundredth, sign, hours, minutes] = TIME.exec(text.trim()) ?? []
  if (year === undefined) return undefined
  const date = Date.UTC(Number(year), Number(month) - 1, Number(day))
  if (hour === undefined) return { at: date, isDay: true }
  const offset = (sign === '-' ? -1 : 1) * (Number(hours ?? 0) * 60 + Number(minutes ?? 0))
  const time = ((Number(hour) * 60 + Number(minute)) * 60 + Number(second)) * 1000 + Number(hundredth ?? 0) * 10
  return { at: date + time - offset * 60_000, offset }
}

export function dxlTimes(item: Element): NotesTime[] {
  const found: NotesTime[] = []
  const look = (element: Element) => {
    const time = element.name === 'datetime' ? readDxlTime(textOf(element)) : undefined
    if (time) found.push(time)
    else for (const one of elements(element)) look(one)
  }
  for (const one of elements(item)) if (/^datetime/.test(one.name)) look(one)
  return found
}

export function dxlTexts(item: Element): string[] {
  return elements(item).flatMap((value) => {
    if (value.name === 'textlist' || value.name === 'numberlist') return elements(value).map(textOf)
    return value.name === 'text' || value.name === 'number' ? [textOf(value)] : []
  })
}

/** A raw value: its type, and its octets as in the database. */
export function dxlRaw(item: Element): { readonly type: number; readonly value: Buffer } | undefined {
  const raw = child(item, 'rawitemdata') ?? child(item, 'itemdata')
  if (!raw) return undefined
  return { type: Number.parseInt(raw.attributes.type ?? '', 16), value: Buffer.from(textOf(raw), 'base64') }
}

export const noteTime = (document: Element, name: string) => {
  const info = childrenOf(document, 'noteinfo')[0]
  const time = child(child(info, name), 'datetime')
  return time && readDxlTime(textOf(time))?.at
}
