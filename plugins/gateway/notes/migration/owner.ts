/** Finds the user whose unread marks in a mail file are those of its owner. */
import { nameKey, parseName } from '../names.ts'

/** The user whose name is the account's; else the only one there is. */
export function ownerOf(
  users: readonly string[],
  account: { readonly name: string; readonly displayName?: string },
): string | undefined {
  const wanted = [account.displayName, account.name]
    .filter((name) => name !== undefined)
    .map((name) => name.toLowerCase())
  const flat = (text: string) => text.toLowerCase().replace(/[\s._-]+/g, '')
  const found = users.find((user) => {
    const { common } = parseName(user)
    return wanted.some((name) => name === nameKey(user) || flat(name) === flat(common))
  })
  return found ?? (users.length === 1 ? users[0] : undefined)
}
