/**
 * Matches lines against the boundaries of open multiparts (RFC 2046 section 5.1.1).
 *
 * A trie with a node per octet: a line costs at most its own length, however many boundaries are open. Invariants: a
 * line that is a complete delimiter matches that one before any boundary that is only its prefix; of several prefixes
 * the longest wins, and of equal ones the innermost.
 */

interface Node {
  readonly next: Map<number, Node>
  /** Depths at which this boundary is open, innermost last. */
  readonly depths: number[]
}

export interface Found {
  /** Depth of the multipart that it divides or ends. */
  readonly depth: number
  readonly isLast: boolean
}

const DASH = 45
const createNode = (): Node => ({ next: new Map(), depths: [] })

export class Boundaries {
  readonly #root = createNode()

  open(boundary: Buffer, depth: number): void {
    let node = this.#root
    for (const octet of boundary) {
      const next = node.next.get(octet) ?? createNode()
      node.next.set(octet, next)
      node = next
    }
    node.depths.push(depth)
  }

  /** Closes the last opened one of that name. */
  close(boundary: Buffer): void {
    const path = [this.#root]
    for (const octet of boundary) {
      const next = path.at(-1)?.next.get(octet)
      if (!next) return
      path.push(next)
    }
    path.at(-1)?.depths.pop()
    for (let at = boundary.length; at > 0; at--) {
      const node = path[at] as Node
      if (node.depths.length > 0 || node.next.size > 0) return
      path[at - 1]?.next.delete(boundary[at - 1] as number)
    }
  }

  /** Matches a line, without its line break, that begins with two dashes. */
  find(line: Buffer): Found | undefined {
    const end = withoutBlanks(line)
    let node: Node | undefined = this.#root
    let found: Found | undefined
    for (let at = 2; node; at++) {
      const depth = node.depths.at(-1)
      if (depth !== undefined) {
        if (at === end) return { depth, isLast: false }
        found = { depth, isLast: line[at] === DASH && line[at + 1] === DASH }
      }
      node = at < end ? node.next.get(line[at] as number) : undefined
    }
    return found
  }
}

function withoutBlanks(line: Buffer): number {
  let end = line.length
  while (line[end - 1] === 32 || line[end - 1] === 9) end--
  return end
}
