/**
 * Rights of mailboxes as JMAP names them (RFC 8621 section 2), from the letters of RFC 4314 and back.
 */
const LETTERS = {
  mayReadItems: 'lr',
  mayAddItems: 'i',
  mayRemoveItems: 'te',
  maySetSeen: 's',
  maySetKeywords: 'w',
  mayCreateChild: 'k',
  mayRename: 'x',
  mayDelete: 'x',
  maySubmit: 'p',
  mayShare: 'a',
} as const

export type Rights = Readonly<Record<keyof typeof LETTERS, boolean>>
export const RIGHTS = Object.keys(LETTERS) as readonly (keyof Rights)[]

export const rightsIn = (letters: string): Rights =>
  Object.fromEntries(
    Object.entries(LETTERS).map(([name, wanted]) => [name, [...wanted].every((letter) => letters.includes(letter))]),
  ) as unknown as Rights

/** Any right lets an account see the mailbox. */
export function lettersOf(rights: Partial<Rights>): string {
  const letters = new Set(RIGHTS.flatMap((name) => (rights[name] ? [...LETTERS[name]] : [])))
  return letters.size === 0 ? '' : [...letters.add('l')].join('')
}
