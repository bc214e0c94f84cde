/** Lines of a file by where they begin. One window of the file is held. */
import type { OctetFile } from './file.ts'

const WINDOW = 64 * 1024
/** Octets of a line that are looked at; the rest of a longer one is further lines. */
const MAX_LINE = 4096
const LF = 0x0a

export interface Line {
  /** Without its line end. */
  readonly text: string
  /** Where the next line begins. */
  readonly end: number
}

export class Lines {
  private window: Buffer = Buffer.alloc(0)
  private start = 0
  private readonly file: OctetFile
  private readonly decode: (octets: Buffer) => string

  constructor(file: OctetFile, decode: (octets: Buffer) => string) {
    this.file = file
    this.decode = decode
  }

  /** Undefined at the end of the file. */
  async at(position: number): Promise<Line | undefined> {
    if (position >= this.file.size) return undefined
    const isHeld = position >= this.start && position + MAX_LINE <= this.start + this.window.length
    const isLast = this.start + this.window.length >= this.file.size && position >= this.start
    if (!isHeld && !(isLast && this.window.length > 0)) {
      this.start = position
      this.window = await this.file.read(position, position + WINDOW)
    }
    const octets = this.window.subarray(position - this.start, position - this.start + MAX_LINE)
    if (octets.length === 0) return undefined
    const lf = octets.indexOf(LF)
    const end = lf < 0 ? octets.length : lf + 1
    const text = octets.subarray(0, lf < 0 ? end : lf > 0 && octets[lf - 1] === 0x0d ? lf - 1 : lf)
    return { text: this.decode(text), end: position + end }
  }
}
