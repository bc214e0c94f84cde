/**
 * Typed tokens through which one plugin offers a service to others without imports between their code.
 *
 * The provider exports its token and interface from `api.ts`; a consumer names the token in `needs` and gets the
 * implementation from `ctx.use`. The kernel sets plugins up in dependency order and reports missing services at start,
 * so `use` never fails while mail flows.
 */

declare const offered: unique symbol

export interface Service<T> {
  readonly name: string
  /** Several plugins may offer it; consumers get the first in the order of setup. */
  readonly several?: true
  readonly [offered]?: T
}

/**
 * Defines the token of a service of type T; errors and `iems hooks` print its name. With `several`, more than one plugin
 * may offer it, such as two scanners in one configuration.
 */
export function defineService<T>(name: string, options: { readonly several?: true } = {}): Service<T> {
  return Object.freeze({ name, ...options })
}
