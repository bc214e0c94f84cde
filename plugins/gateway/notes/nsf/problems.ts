/** Problems of reading: a list with a limit, and a count without one. */
const MAX_LISTED = 1000

export class Problems {
  private readonly listed: string[] = []
  private total = 0
  /** All of them, those beyond the list included. */
  get count(): number {
    return this.total
  }
  get list(): readonly string[] {
    return this.listed
  }
  add(why: string): void {
    this.total++
    if (this.listed.length < MAX_LISTED && !this.listed.includes(why)) this.listed.push(why)
  }
}
