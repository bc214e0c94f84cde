/**
 * Reads Python pickles (protocols 0 to 2) as data, as Mailman 2 stores its lists.
 *
 * Invariants: nothing of a pickle is executed: names of classes and functions become inert `Opaque` values; time and
 * memory are linear in the input; anything unknown or malformed throws.
 */
import { isUtf8 } from 'node:buffer'

/** An object of a class, with its state; never an instance of anything. */
export class Opaque {
  readonly name: string
  state: unknown
  constructor(name: string) {
    this.name = name
  }
}
export type Dict = Map<unknown, unknown>

const MARK = Symbol('mark')
function fail(why: string): never {
  throw new Error(`The pickle cannot be read: ${why}`)
}

/** Strings of Python 2 are octets. */
const textOf = (octets: Buffer): string => octets.toString(isUtf8(octets) ? 'utf8' : 'latin1')

class Machine {
  readonly #input: Buffer
  readonly stack: unknown[] = []
  readonly memo = new Map<number, unknown>()
  #at = 0

  constructor(input: Buffer) {
    this.#input = input
  }

  take(count: number): Buffer {
    const end = this.#at + count
    if (count < 0 || end > this.#input.length) fail('it ends too early')
    const octets = this.#input.subarray(this.#at, end)
    this.#at = end
    return octets
  }

  line(): string {
    const end = this.#input.indexOf(10, this.#at)
    if (end < 0) fail('it ends within a line')
    return this.take(end - this.#at + 1)
      .subarray(0, -1)
      .toString('latin1')
  }

  pop(): unknown {
    if (this.stack.length === 0) fail('the stack is empty')
    return this.stack.pop()
  }

  top(): unknown {
    return this.stack.length === 0 ? fail('the stack is empty') : this.stack.at(-1)
  }

  /** Values above the last mark, which goes. */
  marked(): unknown[] {
    const at = this.stack.lastIndexOf(MARK)
    if (at < 0) fail('a mark is missing')
    return this.stack.splice(at).slice(1)
  }

  recall(index: number): void {
    if (!this.memo.has(index)) fail('it refers to a value that is not there')
    this.stack.push(this.memo.get(index))
  }
}

function setItems(target: unknown, items: readonly unknown[]): void {
  if (target instanceof Opaque) return
  if (!(target instanceof Map) || items.length % 2 !== 0) fail('items of something that is no dictionary')
  for (let at = 0; at < items.length; at += 2) target.set(items[at], items[at + 1])
}

function append(target: unknown, items: readonly unknown[]): void {
  if (target instanceof Opaque) return
  if (!Array.isArray(target)) fail('items of something that is no list')
  for (const item of items) target.push(item)
}

/** `'a\n'` with its escapes, as Python writes strings in protocol 0. */
function quoted(text: string): string {
  const inner = /^(['"])([\s\S]*)\1$/.exec(text)?.[2] ?? fail('a string without quotes')
  const plain = inner.replace(/\\(?:x([0-9a-fA-F]{2})|([\s\S]))/g, (_, hex: string | undefined, char: string) =>
    hex === undefined ? ({ n: '\n', r: '\r', t: '\t' }[char] ?? char) : String.fromCharCode(Number.parseInt(hex, 16)),
  )
  return textOf(Buffer.from(plain, 'latin1'))
}

function integer(text: string): unknown {
  if (text === '00' || text === '01') return text === '01'
  return /^-?\d{1,20}L?$/.test(text) ? Number.parseInt(text, 10) : fail('a number that is none')
}

/** Little-endian two's complement. Large ones lose precision, as every number here. */
const longOf = (octets: Buffer): number => {
  let value = 0
  for (let at = octets.length - 1; at >= 0; at--) value = value * 256 + (octets[at] as number)
  return octets.length > 0 && (octets.at(-1) as number) >= 128 ? value - 256 ** octets.length : value
}
const MAX_LONG = 16
const long = (machine: Machine, size: number) =>
  longOf(machine.take(size > MAX_LONG ? fail('a number too long') : size))

const OPERATIONS: Readonly<Record<number, (machine: Machine) => void>> = Object.fromEntries(
  Object.entries({
    '(': (m: Machine): unknown => m.stack.push(MARK),
    '0': (m: Machine) => m.pop(),
    '1': (m: Machine) => m.marked(),
    '2': (m: Machine) => m.stack.push(m.top()),
    F: (m: Machine) => m.stack.push(Number(m.line())),
    I: (m: Machine) => m.stack.push(integer(m.line())),
    L: (m: Machine) => m.stack.push(integer(m.line())),
    J: (m: Machine) => m.stack.push(m.take(4).readInt32LE()),
    K: (m: Machine) => m.stack.push(m.take(1)[0]),
    M: (m: Machine) => m.stack.push(m.take(2).readUInt16LE()),
    N: (m: Machine) => m.stack.push(null),
    G: (m: Machine) => m.stack.push(m.take(8).readDoubleBE()),
    S: (m: Machine) => m.stack.push(quoted(m.line())),
    T: (m: Machine) => m.stack.push(textOf(m.take(m.take(4).readInt32LE()))),
    U: (m: Machine) => m.stack.push(textOf(m.take(m.take(1)[0] as number))),
    V: (m: Machine) => m.stack.push(m.line()),
    X: (m: Machine) => m.stack.push(m.take(m.take(4).readUInt32LE()).toString()),
    ']': (m: Machine) => m.stack.push([]),
    l: (m: Machine) => m.stack.push(m.marked()),
    t: (m: Machine) => m.stack.push(m.marked()),
    ')': (m: Machine) => m.stack.push([]),
    '}': (m: Machine) => m.stack.push(new Map()),
    d(m: Machine) {
      const items = m.marked()
      const dict: Dict = new Map()
      setItems(dict, items)
      m.stack.push(dict)
    },
    a(m: Machine) {
      const item = m.pop()
      append(m.top(), [item])
    },
    e(m: Machine) {
      const items = m.marked()
      append(m.top(), items)
    },
    s(m: Machine) {
      const value = m.pop()
      const name = m.pop()
      setItems(m.top(), [name, value])
    },
    u(m: Machine) {
      const items = m.marked()
      setItems(m.top(), items)
    },
    g: (m: Machine) => m.recall(Number(m.line())),
    h: (m: Machine) => m.recall(m.take(1)[0] as number),
    j: (m: Machine) => m.recall(m.take(4).readUInt32LE()),
    p: (m: Machine) => m.memo.set(Number(m.line()), m.top()),
    q: (m: Machine) => m.memo.set(m.take(1)[0] as number, m.top()),
    r: (m: Machine) => m.memo.set(m.take(4).readUInt32LE(), m.top()),
    c: (m: Machine) => m.stack.push(new Opaque(`${m.line()}.${m.line()}`)),
    i(m: Machine) {
      const name = `${m.line()}.${m.line()}`
      m.marked()
      m.stack.push(new Opaque(name))
    },
    o(m: Machine) {
      const [type] = m.marked()
      m.stack.push(new Opaque(type instanceof Opaque ? type.name : '?'))
    },
    R(m: Machine) {
      m.pop()
      const type = m.pop()
      m.stack.push(new Opaque(type instanceof Opaque ? type.name : '?'))
    },
    b(m: Machine) {
      const state = m.pop()
      const target = m.top()
      if (target instanceof Opaque) target.state = state
    },
    '\x80'(m: Machine) {
      if ((m.take(1)[0] as number) > 2) fail('a protocol above 2')
    },
    '\x81'(m: Machine) {
      m.pop()
      const type = m.pop()
      m.stack.push(new Opaque(type instanceof Opaque ? type.name : '?'))
    },
    '\x85': (m: Machine) => m.stack.push([m.pop()]),
    '\x86': (m: Machine) => m.stack.push([m.pop(), m.pop()].reverse()),
    '\x87': (m: Machine) => m.stack.push([m.pop(), m.pop(), m.pop()].reverse()),
    '\x88': (m: Machine) => m.stack.push(true),
    '\x89': (m: Machine) => m.stack.push(false),
    '\x8a': (m: Machine) => m.stack.push(long(m, m.take(1)[0] as number)),
    '\x8b': (m: Machine) => m.stack.push(long(m, m.take(4).readInt32LE())),
  }).map(([code, run]) => [code.charCodeAt(0), run]),
)

/** The value of a pickle: numbers, strings, booleans, null, arrays for lists and tuples, Maps, and `Opaque`. */
export function readPickle(input: Buffer): unknown {
  const machine = new Machine(input)
  for (;;) {
    const code = machine.take(1)[0] as number
    if (code === 0x2e) return machine.pop()
    const run = OPERATIONS[code]
    if (!run) return fail(`an operation that is not known, ${code}`)
    run(machine)
  }
}
