/**
 * Texts of the server in the language of the page.
 */
const texts = { of: (text: string): string => text }

/** Takes the server's texts in a language; English needs none. To be called before pages are shown. */
export async function startServerTexts(language: string): Promise<void> {
  if (language !== 'de') texts.of = (text) => text
  else {
    const { inGerman } = await import('./in-german.ts')
    texts.of = (text) => inGerman(text)
  }
}

export const fromServer = (text: string): string => texts.of(text)

/** A value of JSON whose properties of these names, at any depth, are texts of the server. */
export function withTexts<T>(value: T, names: readonly string[]): T {
  const walk = (one: unknown): unknown => {
    if (Array.isArray(one)) return one.map(walk)
    if (typeof one !== 'object' || one === null) return one
    return Object.fromEntries(
      Object.entries(one).map(([name, inner]) => [
        name,
        typeof inner === 'string' && names.includes(name) ? fromServer(inner) : walk(inner),
      ]),
    )
  }
  return walk(value) as T
}
