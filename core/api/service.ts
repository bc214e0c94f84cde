/**
 * Typed tokens: what one plugin offers another without either importing the other's code.
 *
 * A plugin that offers something exports its token and the interface from `api.ts`; who needs it names the token
 * in `needs` and gets the implementation from `ctx.use`. The kernel sets plugins up in the order that the needs
 * ask for and names the missing one at start, so `use` never fails while mail flows.
 */

declare const offered: unique symbol

export interface Service<T> {
  readonly name: string
  readonly [offered]?: T
}

/** A token for an implementation of T; the name is what errors and `iems hooks` print. */
export function defineService<T>(name: string): Service<T> {
  return Object.freeze({ name })
}
