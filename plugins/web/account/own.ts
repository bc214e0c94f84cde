/**
 * The login's own account.
 */
import { isRefused, type Refused } from '../../directory/store/api.ts'
import { HttpProblem, type Login } from '../http/api.ts'

/** Its id. Throws 403 for a login without an account. */
export function ownId({ identity: { account } }: Login): string {
  if (account === undefined) throw new HttpProblem(403, 'This login has no account')
  return account
}

/** A result of the directory; a refusal is thrown as a problem. */
export function allowed<T>(result: T | Refused): T {
  if (!isRefused(result)) return result
  const { refused, why } = result
  throw new HttpProblem(refused === 'INVALID' ? 400 : refused === 'NONEXISTENT' ? 404 : 409, sentence(why))
}

const sentence = (text: string) => text.charAt(0).toUpperCase() + text.slice(1)
