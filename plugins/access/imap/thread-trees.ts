/**
 * Writes threads for the THREAD response (RFC 5256 section 4).
 */
import type { ThreadTree } from '../../mailbox/store/api.ts'

/** `(1 2 (3)(4))`, without recursion, because a thread may be thousands deep. */
export function formatTrees(trees: readonly ThreadTree[], numberOf: (uid: number) => number = (uid) => uid): string {
  const words: string[] = []
  const stack: (ThreadTree | string)[] = [...trees]
    .reverse()
    .map((tree): ThreadTree => tree)
    .flatMap((tree) => [')', tree, '('])
  for (let next = stack.pop(); next !== undefined; next = stack.pop()) {
    if (typeof next === 'string') {
      words.push(next)
      continue
    }
    const { message, children } = next
    if (message) words.push(`${words.at(-1) === '(' ? '' : ' '}${numberOf(message.uid)}`)
    const [only, ...others] = children
    if (only && others.length === 0 && message) stack.push(only)
    else if (only) {
      if (message) words.push(' ')
      for (const child of children.toReversed()) stack.push(')', child, '(')
    }
  }
  return words.join('')
}
