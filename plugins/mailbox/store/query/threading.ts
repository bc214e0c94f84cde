/**
 * THREAD=REFERENCES and THREAD=ORDEREDSUBJECT (RFC 5256 section 3): messages in, trees out.
 *
 * Pure. Invariants: every message is in exactly one place; circular references are cut; time is linear in the number of
 * references, with pauses.
 */

export interface Threaded {
  readonly uid: number
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
  /** The parent, or one further up. */
  above?: Node | undefined
  children: Node[]
  /** The resulting trees once missing messages are removed. */
  made?: Tree[]
}

/** Messages that are only referred to and not here; further ones are passed over. */
const ABSENT = 200_000

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

const bySent = (a: Threaded, b: Threaded) => a.sent - b.sent || a.uid - b.uid

/** Lets others have their turn; undefined while there is time. */
type Pause = () => Promise<void> | undefined

export async function byReferences(messages: readonly Threaded[], pause: Pause): Promise<readonly Tree[]> {
  const roots = pruned(await linked(messages, pause))
  await pause()
  const sorted = joinSubjects(sortTrees(roots))
  await pause()
  return sortTrees(sorted)
}

/** Steps 1 and 2: every message below the one it answers. */
async function linked(messages: readonly Threaded[], pause: Pause): Promise<Node[]> {
  const { nodes, loose, own } = nodesOf(messages)
  const nodeOf = (id: string): Node | undefined => {
    const known = nodes.get(id)
    if (known || nodes.size >= messages.length + ABSENT) return known
    const made: Node = { children: [] }
    nodes.set(id, made)
    return made
  }
  // A message's own parent counts before what others say of it, so it is linked first.
  for (const [index, { references }] of messages.entries()) {
    await pause()
    const parent = references.length > 0 ? nodeOf(references.at(-1) as string) : undefined
    if (parent) adopt(parent, own[index] as Node)
  }
  for (const { references } of messages) {
    await pause()
    let before: Node | undefined
    for (const id of references) {
      const next = nodeOf(id)
      if (before && next && !next.parent) adopt(before, next)
      before = next
    }
  }
  return [...nodes.values(), ...loose].filter(({ parent }) => !parent)
}

/** A node for each message, by its id. Of two with one id the second is treated as if it had none. */
function nodesOf(messages: readonly Threaded[]) {
  const nodes = new Map<string, Node>()
  const loose: Node[] = []
  const own = messages.map((message) => {
    const node: Node = { message, children: [] }
    if (message.id === undefined || nodes.has(message.id)) loose.push(node)
    else nodes.set(message.id, node)
    return node
  })
  return { nodes, loose, own }
}

/** Nothing is put below itself: a node without a parent is the root of all that is below it. */
function adopt(parent: Node, child: Node): void {
  if (rootOf(parent) === child) return
  child.parent = parent
  child.above = parent
  parent.children.push(child)
}

/** Each look-up halves the way for the next. */
function rootOf(node: Node): Node {
  let at = node
  while (at.above) {
    if (at.above.above) at.above = at.above.above
    at = at.above
  }
  return at
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

/** Steps 4 and 6: by date, or by the first child's where the message is missing. Sorts in place. */
function sortTrees(trees: Tree[]): Tree[] {
  const levels: Tree[][] = [trees]
  for (const level of levels) for (const { children } of level) if (children.length > 0) levels.push(children as Tree[])
  // The order of a level depends on that of the levels below it only where a message is not here.
  for (const level of levels.reverse())
    if (level.length > 1) level.sort((a, b) => bySent(firstOf(a) ?? NOBODY, firstOf(b) ?? NOBODY))
  return trees
}

const NOBODY: Threaded = { uid: 0, sent: 0, subject: '', isReply: false, references: [] }

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

/** Extends the target in place. */
function join(target: Tree, tree: Tree): Tree {
  const isAbove = !target.message || (tree.message?.isReply === true && !target.message.isReply)
  if (!isAbove) return { children: [target, tree] }
  const children = target.children as Tree[]
  if (target.message || tree.message) children.push(tree)
  else for (const child of tree.children) children.push(child)
  return target
}
