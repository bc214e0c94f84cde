/**
 * One element of a DXL file with everything in it; of what may be large, the place in the file alone.
 */
export interface Element {
  readonly name: string
  readonly attributes: Readonly<Record<string, string>>
  readonly children: (Element | string)[]
  /** Octets of the file between the tags, of elements that are not kept. */
  range?: { readonly start: number; readonly end: number }
}

export const elements = (element: Element): Element[] =>
  element.children.filter((child): child is Element => typeof child !== 'string')
export const child = (element: Element | undefined, name: string) =>
  element && elements(element).find((one) => one.name === name)
export const childrenOf = (element: Element, name: string) => elements(element).filter((one) => one.name === name)

/** Its text, with a line end for each break. */
export function textOf(element: Element | undefined): string {
  if (!element) return ''
  return element.children
    .map((one) => (typeof one === 'string' ? one : one.name === 'break' ? '\n' : textOf(one)))
    .join('')
}
