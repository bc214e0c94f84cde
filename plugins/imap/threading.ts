/**
 * THREAD=REFERENCES and THREAD=ORDEREDSUBJECT (RFC 5256 section 3): messages in, trees out.
 *
 * Pure. What must stay true: every message stands in exactly one place; references in a circle are cut, and nothing
 * takes longer than the number of references asks for.
 */

export interface Threaded {
  /** What the client is told: a UID or a sequence number. */
  readonly number: number
  /** Ms since 1970, of the Date field or else of its arrival. */
  readonly sent: number
  readonly subject: string
  readonly isReply: boolean
  readonly id?: string | undefined
  /** Of References, or else the first of In-Reply-To. */
  readonly references: readonly string[]
}

export interface Tree {
  /** Absent for a message that others refer to and that is not here. */
  readonly message?: Threaded | undefined
  readonly children: readonly Tree[]
}

interface Node {
  message?: Threaded | undefined
  parent?: Node | undefined
  children: Node[]
  /** What it has become when messages that are not here have gone. */
  made?: Tree[]
}

/** References that are followed, of one message. */
const MOST_REFERENCES = 1000

export function orderedSubject(messages: readonly Threaded[]): readonly Tree[] {
  const groups = new Map<string, Threaded[]>()
  for (const message of [...messages].sort(bySent)) {
    const group = groups.get(message.subject)
    if (group) group.push(message)
    else groups.set(message.subject, [message])
  }
  return [...groups.values()].map(([first, ...rest]) => ({
    message: first,
    children: rest.map((message) => ({ message, children: [] })),
  }))
}

const bySent = (a: Threaded, b: Threaded) => a.sent - b.sent || a.number - b.number

export function byReferences(messages: readonly Threaded[]): readonly Tree[] {
  const roots = pruned(linked(messages))
  const sorted = joinSubjects(sortTrees(roots))
  return sortTrees(sorted)
}

/** Steps 1 and 2: every message below the one it answers. */
function linked(messages: readonly Threaded[]): Node[] {
  const nodes = new Map<string, Node>()
  /** Those without an id of their own. */
  const loose: Node[] = []
  const nodeOf = (id: string): Node => {
    const known = nodes.get(id)
    if (known) return known
    const made: Node = { children: [] }
    nodes.set(id, made)
    return made
  }
  for (const message of messages) {
    // Of two with one id the second is treated as if it had none.
    let node = message.id === undefined ? undefined : nodeOf(message.id)
    if (!node || node.message) {
      node = { children: [] }
      loose.push(node)
    }
    node.message = message
    let before: Node | undefined
    const { references } = message
    for (const id of references.length > MOST_REFERENCES ? references.slice(-MOST_REFERENCES) : references) {
      const next = nodeOf(id)
      if (before && !next.parent) adopt(before, next)
      before = next
    }
    if (before && before !== node && before !== node.parent) {
      release(node)
      adopt(before, node)
    }
  }
  return [...nodes.values(), ...loose].filter(({ parent }) => !parent)
}

function adopt(parent: Node, child: Node): void {
  for (let above: Node | undefined = parent; above; above = above.parent) if (above === child) return
  child.parent = parent
  parent.children.push(child)
}

function release(node: Node): void {
  const siblings = node.parent?.children
  if (siblings) siblings.splice(siblings.indexOf(node), 1)
  node.parent = undefined
}

/** Step 3: messages that are not here go, their children take their place; at the root only when there is one. */
function pruned(roots: readonly Node[]): Tree[] {
  /** From the leaves up, without recursion: a thread may be thousands deep. */
  const order: Node[] = []
  const stack = [...roots]
  for (let node = stack.pop(); node; node = stack.pop()) {
    order.push(node)
    for (const child of node.children) stack.push(child)
  }
  for (const node of order.reverse()) {
    const children: Tree[] = []
    for (const child of node.children) for (const tree of child.made ?? []) children.push(tree)
    const keeps = node.message !== undefined || (!node.parent && children.length > 1)
    node.made = keeps ? [{ message: node.message, children }] : children
  }
  return roots.flatMap((root) => root.made ?? [])
}

const firstOf = ({ message, children }: Tree): Threaded | undefined => message ?? children[0]?.message

/** Steps 4 and 6: by date, of the first child where the message is not here. The trees are ours, and sorted where they are. */
function sortTrees(trees: Tree[]): Tree[] {
  const levels: Tree[][] = [trees]
  for (const level of levels) for (const { children } of level) if (children.length > 0) levels.push(children as Tree[])
  // The order of a level depends on that of the levels below it only where a message is not here.
  for (const level of levels.reverse())
    if (level.length > 1) level.sort((a, b) => bySent(firstOf(a) ?? NOBODY, firstOf(b) ?? NOBODY))
  return trees
}

const NOBODY: Threaded = { number: 0, sent: 0, subject: '', isReply: false, references: [] }

/** Step 5: threads of one subject become one. */
function joinSubjects(trees: readonly Tree[]): Tree[] {
  const table = new Map<string, number>()
  trees.forEach((tree, index) => {
    const subject = firstOf(tree)?.subject ?? ''
    if (subject === '') return
    const known = table.get(subject)
    const other = known === undefined ? undefined : trees[known]
    const isBetter =
      !other ||
      (!tree.message && other.message) ||
      (other.message?.isReply && tree.message !== undefined && !tree.message.isReply)
    if (isBetter) table.set(subject, index)
  })
  const joined: (Tree | undefined)[] = [...trees]
  trees.forEach((tree, index) => {
    const at = table.get(firstOf(tree)?.subject ?? '')
    if (at === undefined || at === index) return
    const target = joined[at] as Tree
    joined[at] = join(target, tree)
    joined[index] = undefined
  })
  return joined.filter((tree) => tree !== undefined)
}

function join(target: Tree, tree: Tree): Tree {
  if (!target.message && !tree.message) return { children: [...target.children, ...tree.children] }
  if (!target.message) return { children: [...target.children, tree] }
  if (tree.message?.isReply && !target.message.isReply) return { ...target, children: [...target.children, tree] }
  return { children: [target, tree] }
}

/** `(1 2 (3)(4))`, without recursion. */
export function formatTrees(trees: readonly Tree[]): string {
  const words: string[] = []
  const stack: (Tree | string)[] = [...trees]
    .reverse()
    .map((tree): Tree => tree)
    .flatMap((tree) => [')', tree, '('])
  for (let next = stack.pop(); next !== undefined; next = stack.pop()) {
    if (typeof next === 'string') {
      words.push(next)
      continue
    }
    const { message, children } = next
    if (message) words.push(`${words.at(-1) === '(' ? '' : ' '}${message.number}`)
    const [only, ...others] = children
    if (only && others.length === 0 && message) stack.push(only)
    else if (only) {
      if (message) words.push(' ')
      stack.push(...[...children].reverse().flatMap((child) => [')', child, '(']))
    }
  }
  return words.join('')
}
