/* How the figures of several rounds are summed up. */

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b)
  const middle = sorted.length / 2
  return ((sorted[Math.floor(middle)] ?? Number.NaN) + (sorted[Math.ceil(middle) - 1] ?? Number.NaN)) / 2
}

/** The median with the lowest and highest: `812 (790–820)`. */
export function spread(values: readonly number[], digits: number): string {
  const [low, high] = [Math.min(...values), Math.max(...values)]
  return `${median(values).toFixed(digits)} (${low.toFixed(digits)}–${high.toFixed(digits)})`
}

/** The same of shares, in per cent: `78 (75–80) %`. */
export const percent = (shares: readonly number[]): string =>
  `${spread(
    shares.map((share) => share * 100),
    0,
  )} %`
