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
  readonly [offered]?: T
}

/** Defines the token of a service of type T; errors and `iems hooks` print its name. */
export function defineService<T>(name: string): Service<T> {
  return Object.freeze({ name })
}
